//! The shell of the group machines: one shard per partition of `__consumer_offsets`.
//!
//! ```text
//! command ─► shard lock: machine.handle ─► records ─► one batch appended ─┐ unlock
//!                                      └─► replies ─────────────────────► wait until durable ─► send
//! ```
//! The machine applies its records when they are enqueued, so the next command sees them; a reply
//! leaves when they are durable. If an append is refused, the shard is read again from its log.
//! A checkpoint re-appends a shard's live state and moves the log start up to it, which keeps
//! both the topic and the start-up small whatever the history of commits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use strom_coordinator::group::{
    Command, DescribedGroup, GroupConfig, GroupShard, ListFilter, ListedGroup, Reply, Token,
    partition_for,
};
use strom_protocol::ByteString;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::record::Scratch;
use strom_storage::{AppendError, AppendTicket, Origin, Partition, Store};
use tokio::sync::{Notify, OnceCell, oneshot};
use tracing::{error, info, warn};

use super::topics::{NewTopic, Topics};
use crate::clock::Clock;

mod shard_log;

/// The topic that keeps groups and committed offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// A shard is not checkpointed before it has appended this many records since the last one.
const CHECKPOINT_RECORDS_MIN: usize = 10_000;
/// A shard is checkpointed when its log is this many times its live state.
const CHECKPOINT_FACTOR: usize = 4;
/// The timer task wakes at least this often.
const TIMER_REST_MAX: Duration = Duration::from_secs(60);

/// Every group of this broker.
pub struct Groups {
    store: Arc<Store>,
    topics: Arc<Topics>,
    clock: Clock,
    config: GroupConfig,
    partitions: i32,
    shards: OnceCell<Box<[Arc<Mutex<Shard>>]>>,
    tokens: AtomicU64,
    timer: Arc<Notify>,
    timer_wakes_at: AtomicI64,
}

struct Shard {
    machine: GroupShard,
    partition: Arc<Partition>,
    waiting: HashMap<Token, oneshot::Sender<Reply>>,
    last_append: Option<AppendTicket>,
    scratch: Scratch,
    /// Records in the log above the last checkpoint.
    records: usize,
    checkpoint_at: usize,
    /// The machine is ahead of its log and being read again; commands are refused meanwhile.
    is_reading: bool,
}

/// Replies that leave once a ticket is durable.
struct Delivery {
    replies: Vec<(oneshot::Sender<Reply>, Reply)>,
    after: Option<AppendTicket>,
}

/// A machine answered a command with another command's reply: our bug.
pub fn unexpected(reply: &Reply) -> ! {
    panic!("the group machine answered with the wrong kind of reply: {reply:?}")
}

impl Groups {
    /// No shard is read before `ensure_topic` or the first command.
    pub fn new(
        store: Arc<Store>,
        topics: Arc<Topics>,
        clock: Clock,
        (config, partitions): (GroupConfig, i32),
    ) -> Self {
        Self {
            store,
            topics,
            clock,
            config,
            partitions,
            shards: OnceCell::new(),
            tokens: AtomicU64::new(1),
            timer: Arc::default(),
            timer_wakes_at: AtomicI64::new(i64::MAX),
        }
    }

    /// Reads the groups back if the topic exists; called before the broker serves.
    pub async fn recover(&self) -> Result<(), ErrorCode> {
        if self.topics.id_of(OFFSETS_TOPIC).is_some() {
            self.shards().await?;
        }
        Ok(())
    }

    /// Creates `__consumer_offsets` if it is not there yet.
    pub async fn ensure_topic(&self) -> Result<(), ErrorCode> {
        self.shards().await.map(|_| ())
    }

    /// Runs one command of `group_id` and waits for its reply, which may need other members.
    pub async fn ask(
        &self,
        group_id: &str,
        command: impl FnOnce(Token) -> Command,
    ) -> Result<Reply, ErrorCode> {
        let shards = self.shards().await?;
        let index = partition_for(group_id, self.partition_count(shards));
        let shard = usize::try_from(index).ok().and_then(|index| shards.get(index));
        self.submit(shard.expect("placement is below the shard count"), command).await
    }

    /// Describes one group; `missing_is_error` as in the machine's command.
    pub async fn describe(
        &self,
        group_id: &ByteString,
        missing_is_error: bool,
    ) -> Result<DescribedGroup, ErrorCode> {
        let group_ids = vec![group_id.clone()];
        let command = |token| Command::Describe { token, group_ids, missing_is_error };
        match self.ask(group_id, command).await? {
            Reply::Described(mut groups) => Ok(groups.pop().expect("one group was asked for")),
            other => unexpected(&other),
        }
    }

    /// Lists the groups of every shard; nothing when no group was ever stored.
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<ListedGroup>, ErrorCode> {
        let Some(shards) = self.shards.get() else { return Ok(Vec::new()) };
        let mut listed = Vec::new();
        for shard in shards {
            let filter = filter.clone();
            match self.submit(shard, |token| Command::List(token, filter)).await? {
                Reply::Listed(groups) => listed.extend(groups),
                other => unexpected(&other),
            }
        }
        Ok(listed)
    }

    /// Forgets the committed offsets of deleted topics.
    pub fn topics_deleted(&self, names: &[ByteString]) {
        for shard in self.shards.get().into_iter().flat_map(|shards| shards.iter()) {
            self.run(shard, Command::TopicsDeleted(names.to_vec()), None);
        }
    }

    /// Re-appends every shard's live state, so that the journal can free its oldest files.
    pub fn checkpoint_all(&self) {
        for shard in self.shards.get().into_iter().flat_map(|shards| shards.iter()) {
            let mut shard = lock(shard);
            if shard.records > 0 && !shard.is_reading {
                self.checkpoint(&mut shard);
            }
        }
    }

    /// Runs the machines' timers (sessions, rebalances, offset expiry) until cancelled.
    pub async fn run_timers(&self) {
        loop {
            let rest = self.run_due();
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.timer.notified() => {}
            }
        }
    }

    fn run_due(&self) -> Duration {
        let rest_max = i64::try_from(TIMER_REST_MAX.as_millis()).unwrap_or(i64::MAX);
        let mut wake_at = self.clock.now_ms().saturating_add(rest_max);
        self.timer_wakes_at.store(wake_at, Ordering::SeqCst);
        for shard in self.shards.get().into_iter().flat_map(|shards| shards.iter()) {
            let due = lock(shard).next_deadline();
            if due.is_some_and(|due| due <= self.clock.now_ms()) {
                self.run(shard, Command::Tick, None);
            }
            if let Some(next) = lock(shard).next_deadline() {
                wake_at = wake_at.min(next);
            }
        }
        self.timer_wakes_at.fetch_min(wake_at, Ordering::SeqCst);
        let rest = wake_at.saturating_sub(self.clock.now_ms()).max(1);
        Duration::from_millis(u64::try_from(rest).unwrap_or(1))
    }

    fn partition_count(&self, shards: &[Arc<Mutex<Shard>>]) -> i32 {
        i32::try_from(shards.len()).unwrap_or(self.partitions)
    }

    async fn submit(
        &self,
        shard: &Arc<Mutex<Shard>>,
        command: impl FnOnce(Token) -> Command,
    ) -> Result<Reply, ErrorCode> {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.run(shard, command(token), Some((token, sender)));
        receiver.await.map_err(|_| ErrorCode::CoordinatorNotAvailable)
    }

    /// One command under the shard's lock; replies leave afterwards.
    fn run(
        &self,
        locked: &Arc<Mutex<Shard>>,
        command: Command,
        waiter: Option<(Token, oneshot::Sender<Reply>)>,
    ) {
        let mut shard = lock(locked);
        if shard.is_reading {
            return;
        }
        if let Some((token, sender)) = waiter {
            shard.waiting.insert(token, sender);
        }
        let first_join = self.first_join(&shard, &command);
        let outcome = shard.machine.handle(command, self.clock.now_ms());
        if let Some((token, group)) = first_join
            && outcome.replies.iter().all(|(answered, _)| *answered != token)
        {
            let delay_ms = self.config.initial_rebalance_delay_ms;
            info!(group = %group, delay_ms, "the first member of a group waits for others (group.initial.rebalance.delay.ms)");
        }
        if !outcome.records.is_empty() {
            match shard.append(&outcome.records, self.clock.now_ms()) {
                Ok(ticket) => shard.last_append = Some(ticket),
                Err(error) => {
                    warn!(partition = shard.partition.index(), reason = %error, "group state cannot be appended, reading it again");
                    self.read_again(&mut shard, Arc::clone(locked));
                    return;
                }
            }
            if shard.records >= shard.checkpoint_at {
                self.checkpoint(&mut shard);
            }
        }
        let replies = outcome
            .replies
            .into_iter()
            .filter_map(|(token, reply)| Some((shard.waiting.remove(&token)?, reply)))
            .collect::<Vec<_>>();
        let after = shard.last_append.clone();
        let next = shard.next_deadline();
        drop(shard);
        if next.is_some_and(|next| next < self.timer_wakes_at.load(Ordering::SeqCst)) {
            self.timer.notify_one();
        }
        if !replies.is_empty() {
            Delivery { replies, after }.send();
        }
    }

    /// A join that may begin the wait for a group's first members, with its token.
    fn first_join(&self, shard: &Shard, command: &Command) -> Option<(Token, ByteString)> {
        match command {
            Command::Join(token, join)
                if self.config.initial_rebalance_delay_ms > 0
                    && !shard.machine.has_members(&join.group_id) =>
            {
                Some((*token, join.group_id.clone()))
            }
            _ => None,
        }
    }

    /// The log refused what the machine had already applied: read the truth back. Waiting clients
    /// are told to find the coordinator again.
    fn read_again(&self, shard: &mut Shard, again: Arc<Mutex<Shard>>) {
        shard.waiting.clear();
        shard.is_reading = true;
        let partition = Arc::clone(&shard.partition);
        let (config, clock, timer) =
            (self.config.clone(), self.clock.clone(), Arc::clone(&self.timer));
        tokio::task::spawn_blocking(move || {
            let loaded = shard_log::settled(&partition)
                .and_then(|()| shard_log::load(&partition, &config, clock.now_ms()));
            match loaded {
                Ok((machine, records)) => {
                    let mut shard = lock(&again);
                    shard.machine = machine;
                    shard.records = records;
                    shard.is_reading = false;
                }
                Err(reason) => {
                    let partition = partition.index();
                    error!(partition, %reason, "group state cannot be read, its groups are refused until the next start");
                }
            }
            timer.notify_one();
        });
    }

    fn checkpoint(&self, shard: &mut Shard) {
        let snapshot = shard.machine.snapshot();
        let first = shard.partition.offsets().log_end;
        let written = if snapshot.is_empty() {
            Ok(shard.last_append.clone())
        } else {
            shard.append(&snapshot, self.clock.now_ms()).map(Some)
        };
        match written {
            Ok(ticket) => {
                shard.last_append.clone_from(&ticket);
                shard.records = 0;
                shard.checkpoint_at = checkpoint_at(snapshot.len());
                let partition = Arc::clone(&shard.partition);
                tokio::spawn(advance_log_start(Arc::clone(&self.store), partition, first, ticket));
            }
            Err(error) => {
                warn!(partition = shard.partition.index(), %error, "a checkpoint of group state was put off");
                shard.checkpoint_at = shard.records + CHECKPOINT_RECORDS_MIN;
            }
        }
    }

    async fn shards(&self) -> Result<&[Arc<Mutex<Shard>>], ErrorCode> {
        let shards = self.shards.get_or_try_init(|| self.open_shards()).await?;
        Ok(shards)
    }

    async fn open_shards(&self) -> Result<Box<[Arc<Mutex<Shard>>]>, ErrorCode> {
        if self.topics.id_of(OFFSETS_TOPIC).is_none() {
            let topic = NewTopic::internal(OFFSETS_TOPIC, self.partitions);
            if let Err(fault) = self.topics.create(topic).await
                && fault.code != ErrorCode::TopicAlreadyExists
            {
                warn!(reason = fault.message, "{OFFSETS_TOPIC} cannot be created");
                return Err(ErrorCode::CoordinatorNotAvailable);
            }
        }
        let topic = self.topics.get(OFFSETS_TOPIC).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        let partitions = self.store.partitions(topic.id);
        if i32::try_from(partitions.len()) != Ok(topic.partitions) {
            // Somebody else is creating it this moment.
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let config = self.config.clone();
        let now_ms = self.clock.now_ms();
        let loaded = tokio::task::spawn_blocking(move || open_all(&partitions, &config, now_ms));
        let shards = loaded.await.expect("reading group state neither panics nor is cancelled");
        shards.map_err(|reason| {
            error!(reason, "group state cannot be read");
            ErrorCode::CoordinatorNotAvailable
        })
    }
}

fn open_all(
    partitions: &[Arc<Partition>],
    config: &GroupConfig,
    now_ms: i64,
) -> Result<Box<[Arc<Mutex<Shard>>]>, String> {
    let mut shards = Vec::with_capacity(partitions.len());
    let mut total = 0;
    for partition in partitions {
        let (machine, records) = shard_log::load(partition, config, now_ms)?;
        total += records;
        let checkpoint_at = checkpoint_at(machine.state().live_records());
        shards.push(Arc::new(Mutex::new(Shard {
            machine,
            partition: Arc::clone(partition),
            waiting: HashMap::new(),
            last_append: None,
            scratch: Scratch::default(),
            records,
            checkpoint_at,
            is_reading: false,
        })));
    }
    if total > 0 {
        info!(records = total, "group state read from {OFFSETS_TOPIC}");
    }
    Ok(shards.into_boxed_slice())
}

impl Delivery {
    fn send(self) {
        let Delivery { replies, after } = self;
        let Some(ticket) = after else { return deliver(replies) };
        let mut durable = Box::pin(ticket.durable());
        match durable.as_mut().now_or_never() {
            Some(Ok(())) => deliver(replies),
            Some(Err(_)) => {}
            None => {
                tokio::spawn(async move {
                    if durable.await.is_ok() {
                        deliver(replies);
                    }
                });
            }
        }
    }
}

/// A waiter that is gone has lost its connection; its reply goes nowhere.
fn deliver(replies: Vec<(oneshot::Sender<Reply>, Reply)>) {
    for (sender, reply) in replies {
        let _ = sender.send(reply);
    }
}

/// A log start never passes the synced journal, so under `flush.policy=os` a sync comes first.
async fn advance_log_start(
    store: Arc<Store>,
    partition: Arc<Partition>,
    to: i64,
    ticket: Option<AppendTicket>,
) {
    if let Some(ticket) = ticket
        && (ticket.durable().await.is_err() || store.sync_now().await.is_err())
    {
        return;
    }
    if let Err(error) = partition.advance_log_start(to) {
        warn!(partition = partition.index(), %error, "the log start of {OFFSETS_TOPIC} cannot advance");
    }
}

fn checkpoint_at(live: usize) -> usize {
    CHECKPOINT_RECORDS_MIN.max(live.saturating_mul(CHECKPOINT_FACTOR))
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn next_deadline(&self) -> Option<i64> {
        if self.is_reading { None } else { self.machine.next_deadline() }
    }

    fn append(
        &mut self,
        records: &[strom_coordinator::group::GroupRecord],
        now_ms: i64,
    ) -> Result<AppendTicket, AppendError> {
        let origin = Origin::Internal;
        let ticket =
            shard_log::append(&self.partition, records, (origin, now_ms), &mut self.scratch)?;
        self.records += records.len();
        Ok(ticket)
    }
}
