//! Apache Kafka as the control: one node in combined mode, from Maven's jars, on loopback.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::guarded::Guarded;
use crate::installed::installed;
use crate::wait::wait_for;
use crate::{ports, raw};

/// Starts Kafka on a data folder, formatting it when it is new, and waits until it answers.
/// Returns the process and its bootstrap address, which is `address` when given.
pub fn start(
    data: &Path,
    log: &Path,
    options: &[(String, String)],
    address: Option<&str>,
) -> (Guarded, String) {
    prepare(data, options, address);
    launch(data, log, &[SMALL_COLLECTOR, "-Xms128m", "-Xmx512m"])
}

/// Writes the configuration and formats the data folder, unless that has been done.
pub fn prepare(data: &Path, options: &[(String, String)], address: Option<&str>) {
    let properties = data.join("server.properties");
    if !properties.exists() {
        let address = address.map_or_else(free_address, str::to_string);
        std::fs::write(&properties, render(data, &address, options)).unwrap();
        format_storage(&properties);
    }
}

/// Starts Kafka on a prepared data folder in a JVM with these options, and waits until it answers.
pub fn launch(data: &Path, log: &Path, jvm_options: &[&str]) -> (Guarded, String) {
    let properties = data.join("server.properties");
    let text = std::fs::read_to_string(&properties).unwrap();
    let address =
        text.lines().find_map(|line| line.strip_prefix("# address ")).unwrap().to_string();
    let mut command = jvm(jvm_options);
    command.arg("kafka.Kafka").arg(&properties);
    let mut process = Guarded::start(&mut command, log);
    wait_for("Apache Kafka to answer", Duration::from_secs(60), || {
        if let Some(status) = process.ended() {
            panic!("Apache Kafka ended at its start: {status}\n{}", process.log_tail());
        }
        raw::serves(&address).then_some(())
    });
    (process, address)
}

/// The collector that costs least where the heap is small and soon gone.
const SMALL_COLLECTOR: &str = "-XX:+UseSerialGC";

/// A JVM for a tool, with Kafka's jars and the driver on its class path.
pub fn java() -> Command {
    jvm(&[SMALL_COLLECTOR])
}

fn jvm(options: &[&str]) -> Command {
    let folder = installed("java");
    let mut class_path = OsString::from(folder.join("lib/*"));
    class_path.push(":");
    class_path.push(folder.join("classes"));
    let mut command = Command::new("java");
    command.args(options).args(["-Xshare:auto", "-cp"]).arg(class_path);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

fn free_address() -> String {
    ports::address(ports::free()).to_string()
}

fn render(data: &Path, address: &str, options: &[(String, String)]) -> String {
    let controller = free_address();
    let mut text = format!(
        "# address {address}\n\
         process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://{address},CONTROLLER://{controller}\n\
         advertised.listeners=PLAINTEXT://{address}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\n\
         num.partitions=1\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         log.cleaner.dedupe.buffer.size=8388608\n",
        data.join("logs").display()
    );
    for (name, value) in options {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

fn format_storage(properties: &Path) {
    let mut cluster = uuid::Uuid::new_v4().into_bytes();
    // An id that begins with a dash would be an option to the tool: this one begins with an A.
    cluster[0] = 0;
    let cluster = BASE64_URL_SAFE_NO_PAD.encode(cluster);
    let output = java()
        .args(["-Xmx128m", "kafka.tools.StorageTool", "format", "-t", &cluster, "-c"])
        .arg(properties)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
