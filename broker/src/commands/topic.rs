//! `strom topic list | describe | create`, over the Kafka protocol: what any admin client could do.

use clap::{Args, Subcommand};
use strom_protocol::api::Response;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use strom_protocol::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use strom_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use strom_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponseTopic,
};
use strom_protocol::{ByteString, TopicId};

use super::client::Client;
use super::{Failure, table};

/// Kafka's number of the resource type topic in DescribeConfigs.
const TOPIC_RESOURCE: i8 = 2;
/// Kafka's number of the source of an option that was set on the topic itself.
const DYNAMIC_TOPIC_CONFIG: i8 = 1;
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
const CREATE_PATIENCE_MS: i32 = 30_000;

/// Where the broker is.
#[derive(Debug, Args)]
pub struct Bootstrap {
    /// The broker's Kafka address
    #[arg(
        short,
        long = "bootstrap-server",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:9092"
    )]
    pub bootstrap_server: String,
}

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// List topics with their partitions and cleanup policy
    List {
        /// Where the broker is
        #[command(flatten)]
        bootstrap: Bootstrap,
        /// Internal topics too (__consumer_offsets and the like)
        #[arg(long)]
        all: bool,
    },
    /// Show a topic: its id, the options set on it, its partitions and their offsets
    Describe {
        /// The topic's name
        name: String,
        /// Where the broker is
        #[command(flatten)]
        bootstrap: Bootstrap,
    },
    /// Create a topic
    Create {
        /// The new topic's name
        name: String,
        /// Where the broker is
        #[command(flatten)]
        bootstrap: Bootstrap,
        /// How many partitions; the broker's num.partitions if not given
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// Set an option of the topic, as --config retention.ms=86400000; may be repeated
        #[arg(long = "config", value_name = "KEY=VALUE", value_parser = option)]
        configs: Vec<(String, String)>,
    },
}

fn option(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("give the option as key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Runs a command; what it returns is to be printed.
pub fn run(command: &TopicCommand) -> Result<String, Failure> {
    match command {
        TopicCommand::List { bootstrap, all } => list(bootstrap, *all),
        TopicCommand::Describe { name, bootstrap } => describe(bootstrap, name),
        TopicCommand::Create { name, bootstrap, partitions, configs } => {
            create(bootstrap, name, *partitions, configs)
        }
    }
}

fn list(bootstrap: &Bootstrap, all: bool) -> Result<String, Failure> {
    let mut client = Client::connect(&bootstrap.bootstrap_server)?;
    let mut topics = metadata(&mut client, None)?;
    topics.retain(|topic| all || !topic.is_internal);
    topics.sort_by(|left, right| left.name.cmp(&right.name));
    let names: Vec<ByteString> = topics.iter().filter_map(|topic| topic.name.clone()).collect();
    let policies = options(&mut client, &names, Some("cleanup.policy"))?;
    let rows: Vec<Vec<String>> = topics
        .iter()
        .zip(names.iter().zip(policies))
        .map(|(topic, (name, options))| {
            let policy = options.into_iter().next().map(|option| option.value);
            vec![
                name.to_string(),
                topic.partitions.len().to_string(),
                policy.filter(|policy| !policy.is_empty()).unwrap_or_else(|| "none".to_owned()),
            ]
        })
        .collect();
    Ok(table(&["NAME", "PARTITIONS", "CLEANUP.POLICY"], &rows))
}

fn describe(bootstrap: &Bootstrap, name: &str) -> Result<String, Failure> {
    let mut client = Client::connect(&bootstrap.bootstrap_server)?;
    let name = ByteString::from(name);
    let topic = metadata(&mut client, Some(&name))?.pop();
    let topic = topic.ok_or_else(|| Failure("the broker's answer names no topic".to_owned()))?;
    accepted(topic.error_code, || {
        format!(
            "topic {name:?} cannot be described: see `strom topic list` for the topics there are"
        )
    })?;
    let set = options(&mut client, std::slice::from_ref(&name), None)?.pop().unwrap_or_default();
    let set = set.iter().filter(|option| option.source == DYNAMIC_TOPIC_CONFIG);
    let set: Vec<String> = set.map(|option| format!("{}={}", option.name, option.value)).collect();
    let starts = offsets(&mut client, &topic, EARLIEST)?;
    let ends = offsets(&mut client, &topic, LATEST)?;
    let rows: Vec<Vec<String>> = starts
        .iter()
        .zip(&ends)
        .map(|(start, end)| {
            let index = end.partition_index.to_string();
            vec![index, start.offset.to_string(), end.offset.to_string()]
        })
        .collect();
    let set = if set.is_empty() { "none set".to_owned() } else { set.join(" ") };
    let id = TopicId(topic.topic_id);
    let partitions = table(&["PARTITION", "LOG START OFFSET", "END OFFSET"], &rows);
    Ok(format!("topic    {name}\nid       {id}\noptions  {set}\n\n{partitions}"))
}

fn create(
    bootstrap: &Bootstrap,
    name: &str,
    partitions: Option<i32>,
    configs: &[(String, String)],
) -> Result<String, Failure> {
    let mut client = Client::connect(&bootstrap.bootstrap_server)?;
    let configs = configs.iter().map(|(key, value)| CreatableTopicConfig {
        name: key.as_str().into(),
        value: Some(value.as_str().into()),
    });
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions.unwrap_or(-1),
        replication_factor: -1,
        configs: configs.collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: CREATE_PATIENCE_MS,
        ..CreateTopicsRequest::default()
    };
    let Response::CreateTopics(response) = client.call(request)? else {
        unreachable!("by its key")
    };
    let Some(result) = response.topics.first() else {
        return Err(Failure(format!("the broker did not say whether it created {name:?}")));
    };
    accepted(result.error_code, || {
        let reason = result.error_message.as_deref().unwrap_or("the broker gave no reason");
        format!("topic {name:?} was not created: {reason}")
    })?;
    let count = result.num_partitions;
    let noun = if count == 1 { "partition" } else { "partitions" };
    Ok(format!("created topic {name} with {count} {noun}\n"))
}

/// All topics, or one, without creating it.
fn metadata(
    client: &mut Client,
    name: Option<&ByteString>,
) -> Result<Vec<MetadataResponseTopic>, Failure> {
    let asked = |name: &ByteString| MetadataRequestTopic {
        name: Some(name.clone()),
        ..MetadataRequestTopic::default()
    };
    let request = MetadataRequest {
        topics: name.map(|name| vec![asked(name)]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let Response::Metadata(response) = client.call(request)? else { unreachable!("by its key") };
    Ok(response.topics)
}

/// An option of a topic as it holds.
struct TopicOption {
    name: String,
    value: String,
    source: i8,
}

/// The options of each topic: all, or one.
fn options(
    client: &mut Client,
    topics: &[ByteString],
    only: Option<&str>,
) -> Result<Vec<Vec<TopicOption>>, Failure> {
    let resources = topics.iter().map(|name| DescribeConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: name.clone(),
        configuration_keys: only.map(|name| vec![name.into()]),
    });
    let request = DescribeConfigsRequest { resources: resources.collect(), ..Default::default() };
    let Response::DescribeConfigs(response) = client.call(request)? else {
        unreachable!("by its key")
    };
    let results = response.results.into_iter().map(|result| {
        accepted(result.error_code, || {
            format!("the options of topic {:?} cannot be read", result.resource_name)
        })?;
        let options = result.configs.into_iter().map(|config| TopicOption {
            name: config.name.to_string(),
            value: config.value.unwrap_or_default().to_string(),
            source: config.config_source,
        });
        Ok(options.collect())
    });
    results.collect()
}

/// The first or the end offset of each partition, in the order of partitions.
fn offsets(
    client: &mut Client,
    topic: &MetadataResponseTopic,
    which: i64,
) -> Result<Vec<ListOffsetsPartitionResponse>, Failure> {
    let partitions = topic.partitions.iter().map(|partition| ListOffsetsPartition {
        partition_index: partition.partition_index,
        timestamp: which,
        ..ListOffsetsPartition::default()
    });
    let name = topic.name.clone().unwrap_or_default();
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name, partitions: partitions.collect() }],
        ..ListOffsetsRequest::default()
    };
    let Response::ListOffsets(response) = client.call(request)? else { unreachable!("by its key") };
    let mut partitions: Vec<_> =
        response.topics.into_iter().flat_map(|topic| topic.partitions).collect();
    partitions.sort_by_key(|partition| partition.partition_index);
    for partition in &partitions {
        accepted(partition.error_code, || {
            format!("the offsets of partition {} cannot be read", partition.partition_index)
        })?;
    }
    Ok(partitions)
}

/// Whether the broker accepted; `refusal` is the sentence if it did not, and gets the error's name.
fn accepted(code: i16, refusal: impl FnOnce() -> String) -> Result<(), Failure> {
    match ErrorCode::from_code(code) {
        Some(ErrorCode::None) => Ok(()),
        Some(error) => Err(Failure(format!("{} ({})", refusal(), error.name()))),
        None => Err(Failure(format!("{} (error code {code})", refusal()))),
    }
}
