//! The lake itself: the registry of topics' tables, and its start and end.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use strom_protocol::TopicId;
use strom_storage::{Change, MetadataLog, Store};
use tokio::sync::oneshot;

use crate::ahead::Budget;
use crate::catalog::{self, Catalog};
use crate::commit::TableIdentity;
use crate::flush::Step;
use crate::pointer::{self, Pointer};
use crate::scheduler::{self, Queue};
use crate::table::{LakeStatus, Table, TableState, TableStatus, Totals};
use crate::warehouse::{Root, Warehouse};
use crate::{LakeError, LakeOptions, LakeTopic, OnTopicDelete, files, names, purge};

/// A test's hook: stops a flush at a step as a crash would, if it returns true.
pub(crate) type FaultHook = Arc<dyn Fn(Step) -> bool + Send + Sync>;

/// What workers, ticker and catalog share.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) options: LakeOptions,
    pub(crate) warehouse: Warehouse,
    pub(crate) queue: Queue,
    pub(crate) budget: Arc<Budget>,
    registry: Mutex<Registry>,
    fault: Option<FaultHook>,
}

#[derive(Debug, Default)]
struct Registry {
    /// The tables, by name.
    tables: BTreeMap<String, Arc<Table>>,
    /// Tables that take no more records: their topic was deleted, or is not in the lake.
    frozen: BTreeMap<String, Arc<Table>>,
    /// All topics of a table name; one of them has the table, the others are suspended.
    contenders: BTreeMap<String, Vec<LakeTopic>>,
    /// Table names by topic.
    names: HashMap<TopicId, String>,
}

impl Shared {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All tables, in the order of their names.
    pub(crate) fn tables(&self) -> Vec<Arc<Table>> {
        let registry = self.registry();
        let mut all = registry.frozen.clone();
        all.extend(registry.tables.clone());
        all.into_values().collect()
    }

    pub(crate) fn table(&self, name: &str) -> Option<Arc<Table>> {
        let registry = self.registry();
        registry.tables.get(name).or_else(|| registry.frozen.get(name)).cloned()
    }

    /// Removes everything below a location, and then the note that this was to be done.
    pub(crate) fn purge(&self, location: &str) -> Result<(), LakeError> {
        self.warehouse.delete_under(location)?;
        let key = purge::key(location);
        if self.store.metadata().get(&key).is_some() {
            drop(self.store.metadata().apply(vec![Change::Delete { key }]));
        }
        Ok(())
    }

    /// Lets a table be read that takes no more records.
    fn freeze(&self, registry: &mut Registry, pointer: Pointer) {
        let topic_id = TopicId(pointer.topic_id);
        let reason = if pointer.is_kept {
            "its topic was deleted, and table.datalake.on-topic-delete=keep"
        } else {
            "its topic is not in the lake: table.datalake.enabled or cleanup.policy says so"
        };
        let identity = TableIdentity {
            namespace: pointer.namespace.clone(),
            table: pointer.table.clone(),
            topic_id,
            topic: pointer.table.clone(),
            location: pointer.location.clone(),
        };
        let topic = LakeTopic::new(topic_id, pointer.table.clone(), 0, 0);
        let name = pointer.table.clone();
        let table = Table::new(identity, topic, Some(pointer)).frozen(reason.to_string());
        registry.frozen.insert(name, Arc::new(table));
    }

    /// The pointer of a topic's table as the metadata log has it.
    pub(crate) fn stored_pointer(&self, identity: &TableIdentity) -> Option<Pointer> {
        self.stored_pointer_of(&identity.table).filter(|p| p.belongs_to(identity.topic_id))
    }

    /// Decides which topic has the table of a name. `changed` is a topic whose settings are new.
    fn elect(&self, registry: &mut Registry, name: String, changed: Option<TopicId>) {
        let contenders = registry.contenders.get(&name).map(Vec::as_slice).unwrap_or_default();
        if let Some(frozen) = registry.frozen.get(&name).map(|table| table.topic.id) {
            if !contenders.iter().any(|topic| topic.id == frozen) {
                self.suspend(contenders, None);
                return;
            }
            if let Some(frozen) = registry.frozen.remove(&name) {
                frozen.close();
            }
        }
        let holder = registry.tables.get(&name).map(|table| table.topic.id);
        let stored = self.stored_pointer_of(&name).map(|pointer| TopicId(pointer.topic_id));
        let contenders = registry.contenders.get(&name).map(Vec::as_slice).unwrap_or_default();
        let elected = contenders
            .iter()
            .min_by_key(|topic| (Some(topic.id) != stored, topic.created_ms, topic.name.as_str()));
        let Some(elected) = elected else {
            registry.contenders.remove(&name);
            return;
        };
        if holder == Some(elected.id) && changed != holder {
            return;
        }
        let elected = elected.clone();
        if let Some(former) = registry.tables.remove(&name) {
            // What it was doing stops at the next batch; the pointer says how far it came.
            former.close();
        }
        let table = self.new_table(&name, elected);
        table.guard(&table.partitions(&self.store));
        self.suspend(
            registry.contenders.get(&name).map(Vec::as_slice).unwrap_or_default(),
            Some(table.topic.id),
        );
        registry.tables.insert(name, Arc::new(table));
    }

    /// Retention need not wait for topics that have no table.
    fn suspend(&self, contenders: &[LakeTopic], holder: Option<TopicId>) {
        for topic in contenders.iter().filter(|topic| Some(topic.id) != holder) {
            tracing::warn!(
                topic = topic.name,
                "the lake of a topic is suspended: another table has its name"
            );
            for partition in self.store.partitions(topic.id) {
                partition.set_retention_guard(None);
            }
        }
    }

    fn new_table(&self, name: &str, topic: LakeTopic) -> Table {
        let options = &self.options;
        let pointer = self.stored_pointer_of(name).filter(|p| p.belongs_to(topic.id));
        // A table stays where it is when the warehouse's option changes.
        let location = match &pointer {
            Some(pointer) => pointer.location.clone(),
            None => names::location_of(self.warehouse.root(), &options.namespace, name, topic.id),
        };
        let identity = TableIdentity {
            namespace: options.namespace.clone(),
            table: name.to_string(),
            topic_id: topic.id,
            topic: topic.name.clone(),
            location,
        };
        let partitions = self.store.partitions(topic.id);
        let log_starts = partitions.iter().map(|partition| partition.offsets().log_start).collect();
        Table::new(identity, topic, pointer).taken_up_at(log_starts)
    }

    fn stored_pointer_of(&self, table: &str) -> Option<Pointer> {
        let key = Pointer::key(&self.options.namespace, table);
        let value = self.store.metadata().get(&key)?;
        // Opening the lake has read every pointer, so this one can be read.
        Pointer::decode(&key, &value).ok()
    }

    /// Waits until everything that readers see is synced, whatever the flush policy.
    pub(crate) fn sync_journal(&self) -> Result<(), LakeError> {
        let synced = scheduler::block_on(self.store.sync_now());
        synced.map_err(|e| LakeError::Storage(e.to_string()))
    }

    pub(crate) fn fault(
        &self,
        step: Step,
        name: fn(Step) -> &'static str,
    ) -> Result<(), LakeError> {
        match &self.fault {
            Some(hook) if hook(step) => Err(LakeError::Fault(name(step))),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The lake of a broker. Dropping it closes it.
#[derive(Debug)]
pub struct Lake {
    shared: Arc<Shared>,
    catalog: Catalog,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Lake {
    /// Opens the lake over a store that knows its topics already. Tables of topics that the store
    /// does not know (deleted while a crash came between) are dropped and purged. Reads no table:
    /// the time it takes does not grow with what is in them.
    pub fn open(store: Arc<Store>, options: LakeOptions) -> Result<Arc<Lake>, LakeError> {
        Lake::open_with(store, options, None)
    }

    pub(crate) fn open_with(
        store: Arc<Store>,
        options: LakeOptions,
        fault: Option<FaultHook>,
    ) -> Result<Arc<Lake>, LakeError> {
        check(&options)?;
        let warehouse =
            Warehouse::new(options.warehouse.clone(), options.s3.clone(), options.spool.clone());
        if let Some(root) = warehouse.local_root() {
            files::create_dir_synced(&root.join(&options.namespace))?;
        }
        clear_spool(&options.spool)?;
        let has_garbage = catalog::open(store.metadata(), &options)?;
        let budget = Arc::new(Budget::new(options.ahead_bytes));
        let shared = Arc::new(Shared {
            store,
            options,
            warehouse,
            queue: Queue::default(),
            budget,
            registry: Mutex::default(),
            fault,
        });
        take_up(&shared)?;
        if has_garbage {
            shared.queue.sweep();
        }
        let threads = scheduler::start(&shared)?;
        let catalog = Catalog::new(Arc::clone(&shared));
        Ok(Arc::new(Lake { shared, catalog, threads: Mutex::new(threads) }))
    }

    /// Adds a topic: from now on its records become rows; adding it again takes its new settings.
    /// Where two topics have one table name, the later one's lake is suspended, which its status
    /// says: the topic that has the table keeps it, and else the earlier one gets it.
    pub fn add_topic(&self, topic: LakeTopic) {
        let name = names::table_of(&topic.name);
        let mut registry = self.shared.registry();
        registry.names.insert(topic.id, name.clone());
        let contenders = registry.contenders.entry(name.clone()).or_default();
        if contenders.contains(&topic) {
            // Guards are set again, because the topic may have more partitions now.
            if let Some(table) = registry.tables.get(&name).filter(|t| t.topic.id == topic.id) {
                table.guard(&table.partitions(&self.shared.store));
            }
            return;
        }
        contenders.retain(|known| known.id != topic.id);
        let id = topic.id;
        contenders.push(topic);
        self.shared.elect(&mut registry, name, Some(id));
    }

    /// What must change in the metadata log together with the deletion of a topic, so that no
    /// crash leaves a table without its topic. From now on the topic's table does not move; then
    /// [`remove_topic`](Self::remove_topic) does the rest.
    pub fn retire_topic(&self, id: TopicId, then: OnTopicDelete) -> Vec<Change> {
        let registry = self.shared.registry();
        for table in registry.tables.values().chain(registry.frozen.values()) {
            if table.topic.id == id {
                table.close();
            }
        }
        let Some(pointer) = self.pointer_of(&registry, id) else { return Vec::new() };
        let gone = Change::Delete { key: Pointer::key(&pointer.namespace, &pointer.table) };
        match then {
            OnTopicDelete::Purge => vec![gone, purge::note(&pointer.location)],
            OnTopicDelete::Keep => {
                let table = names::kept(&pointer.table, id);
                let key = Pointer::key(&pointer.namespace, &table);
                let kept = Pointer { table, is_kept: true, ..pointer };
                vec![gone, Change::Put { key, value: kept.encode() }]
            }
        }
    }

    /// Forgets a topic that is no more: its files are purged, or its table stays under another
    /// name, as [`retire_topic`](Self::retire_topic) was told; purged if it was not. A topic that
    /// was suspended for it gets the name.
    pub fn remove_topic(&self, id: TopicId) {
        let shared = &self.shared;
        let changes = self.retire_topic(id, OnTopicDelete::Purge);
        if !changes.is_empty() {
            drop(shared.store.metadata().apply(changes));
        }
        let mut registry = shared.registry();
        let is_its_own = |table: &Arc<Table>| table.topic.id == id;
        let name = registry.names.remove(&id);
        let frozen = registry.frozen.iter().find(|(_, table)| is_its_own(table));
        let Some(name) = name.or_else(|| frozen.map(|(name, _)| name.clone())) else { return };
        if let Some(contenders) = registry.contenders.get_mut(&name) {
            contenders.retain(|topic| topic.id != id);
        }
        let mut table = None;
        if registry.tables.get(&name).is_some_and(is_its_own) {
            table = registry.tables.remove(&name);
        } else if registry.frozen.get(&name).is_some_and(is_its_own) {
            table = registry.frozen.remove(&name);
        }
        if let Some(table) = table {
            let kept = shared.stored_pointer_of(&names::kept(&name, id));
            match kept.filter(|kept| kept.is_kept && kept.belongs_to(id)) {
                Some(kept) => shared.freeze(&mut registry, kept),
                None => {
                    let location = table.identity.location.clone();
                    shared.queue.purge(Some(table), location);
                }
            }
        }
        shared.elect(&mut registry, name, None);
    }

    /// The pointer of a topic's table, under whatever name it is.
    fn pointer_of(&self, registry: &Registry, id: TopicId) -> Option<Pointer> {
        let frozen = registry.frozen.values().find(|table| table.topic.id == id);
        let name = registry.names.get(&id).or(frozen.map(|table| &table.identity.table))?;
        let pointer = self.shared.stored_pointer_of(name)?;
        (pointer.belongs_to(id) && !pointer.is_kept).then_some(pointer)
    }

    /// Takes no more records of a topic, which stays; so does its table, which can be read as it
    /// is, and [`add_topic`](Self::add_topic) goes on where it ends. A topic that is not known is
    /// none to withdraw.
    pub fn withdraw_topic(&self, id: TopicId) {
        let mut registry = self.shared.registry();
        let Some(name) = registry.names.remove(&id) else { return };
        if let Some(contenders) = registry.contenders.get_mut(&name) {
            contenders.retain(|topic| topic.id != id);
        }
        if registry.tables.get(&name).is_some_and(|table| table.topic.id == id)
            && let Some(table) = registry.tables.remove(&name)
        {
            table.close();
            for partition in table.partitions(&self.shared.store) {
                partition.set_retention_guard(None);
            }
            if let Some(pointer) = self.shared.stored_pointer(&table.identity) {
                self.shared.freeze(&mut registry, pointer);
            }
        }
        self.shared.elect(&mut registry, name, None);
    }

    /// Resolves when the topic's table has everything below these offsets of its partitions: what is
    /// removed from a topic on request leaves no hole in its table. At once for a topic without a
    /// table. Cancel-safe.
    pub async fn commit_below(&self, id: TopicId, offsets: &[(i32, i64)]) -> Result<(), LakeError> {
        let table = {
            let registry = self.shared.registry();
            let name = registry.names.get(&id);
            let table = name.and_then(|name| registry.tables.get(name));
            table.filter(|table| table.topic.id == id).cloned()
        };
        let Some(table) = table.filter(|table| !table.has_all_below(offsets)) else {
            return Ok(());
        };
        let (sender, receiver) = oneshot::channel();
        self.shared.queue.want(&table, Some(sender));
        let closing = || LakeError::Closing { table: table.identity.table.clone() };
        receiver.await.map_err(|_| closing())?
    }

    /// The catalog that engines read.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Where the tables are.
    pub fn warehouse(&self) -> &Warehouse {
        &self.shared.warehouse
    }

    /// How every topic's lake is doing.
    pub fn status(&self) -> LakeStatus {
        let mut tables: Vec<TableStatus> =
            self.shared.tables().iter().map(|table| table.status(&self.shared.store)).collect();
        let registry = self.shared.registry();
        for (name, topics) in &registry.contenders {
            let holder = registry.tables.get(name).map(|table| &table.topic);
            let holder = holder.or_else(|| registry.frozen.get(name).map(|table| &table.topic));
            let without = topics.iter().filter(|t| holder.is_none_or(|holder| holder.id != t.id));
            tables.extend(without.map(|topic| suspended_status(name, topic, holder)));
        }
        LakeStatus { tables }
    }

    /// Ends the threads; a flush that is running stops at its next batch and leaves no trace.
    /// Blocks; idempotent.
    pub fn close(&self) {
        for table in self.shared.tables() {
            table.close();
        }
        self.shared.queue.close();
        self.shared.warehouse.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a lake thread panicked");
            }
        }
    }
}

impl Drop for Lake {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where each topic's table ends, by partition: no log may end below it. For `TopicSpec::min_log_end`
/// when the store is opened, which is before the lake is. Pointers that cannot be read have no
/// say here; opening the lake refuses them.
pub fn committed_offsets(metadata: &MetadataLog) -> HashMap<TopicId, Vec<(i32, i64)>> {
    let pointers = metadata.scan(pointer::PREFIX).into_iter();
    pointers
        .filter_map(|(key, value)| Pointer::decode(&key, &value).ok())
        .map(|pointer| {
            let ends = (0..).zip(&pointer.reached).map(|(index, r)| (index, r.next_offset));
            (TopicId(pointer.topic_id), ends.collect())
        })
        .collect()
}

fn check(options: &LakeOptions) -> Result<(), LakeError> {
    let local = match &options.warehouse {
        Root::Local(path) => [path, &options.spool],
        Root::S3 { .. } => [&options.spool; 2],
    };
    if let Some(path) = local.into_iter().find(|path| !path.is_absolute()) {
        return Err(LakeError::Options(format!(
            "{} is not an absolute path; set lake.warehouse to one",
            path.display()
        )));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if options.namespace.is_empty() || !options.namespace.chars().all(is_plain) {
        return Err(LakeError::Options(format!(
            "the namespace {:?} may only have letters, digits, '_' and '-'; set lake.namespace",
            options.namespace
        )));
    }
    Ok(())
}

/// Takes up what the metadata log says of tables: those that are to be purged are, and all others
/// can be read until [`Lake::add_topic`] has records follow. A directory of a topic that is no
/// more is removed only if it never became a table: a shared directory may hold somebody else's.
fn take_up(shared: &Shared) -> Result<(), LakeError> {
    let metadata = shared.store.metadata();
    for (key, value) in metadata.scan(purge::PREFIX) {
        let location = purge::location(&key, &value).map_err(LakeError::Pointer)?;
        shared.queue.purge(None, location);
    }
    let lives = |id: TopicId| !shared.store.partitions(id).is_empty();
    let mut registry = shared.registry();
    for (key, value) in metadata.scan(pointer::PREFIX) {
        let pointer =
            Pointer::decode(&key, &value).map_err(|e| LakeError::Pointer(e.to_string()))?;
        if pointer.namespace != shared.options.namespace {
            continue;
        }
        if pointer.is_kept || lives(TopicId(pointer.topic_id)) {
            shared.freeze(&mut registry, pointer);
            continue;
        }
        tracing::info!(table = pointer.table, "dropping the table of a topic that is no more");
        let note = purge::note(&pointer.location);
        let dropped = metadata.apply(vec![Change::Delete { key }, note]);
        dropped.wait().map_err(|e| LakeError::Storage(e.to_string()))?;
        shared.queue.purge(None, pointer.location);
    }
    let Some(root) = shared.warehouse.local_root() else { return Ok(()) };
    for (name, path) in files::list(&root.join(&shared.options.namespace))? {
        let is_orphan = names::topic_id_in(&name).is_some_and(|id| !lives(id));
        if is_orphan && files::list(&path.join("metadata")).is_ok_and(|files| files.is_empty()) {
            shared.queue.purge(None, files::location_of(&path));
        }
    }
    Ok(())
}

/// Removes what a process that died had encoded and not uploaded.
fn clear_spool(spool: &Path) -> Result<(), LakeError> {
    let left = files::list(spool)?.into_iter();
    left.filter(|(name, _)| name.ends_with(".parquet"))
        .try_for_each(|(_, path)| files::remove(&path))
}

fn suspended_status(name: &str, topic: &LakeTopic, holder: Option<&LakeTopic>) -> TableStatus {
    let holder = holder.map_or("another topic", |holder| holder.name.as_str());
    TableStatus {
        topic: topic.name.clone(),
        table: name.to_string(),
        state: TableState::Suspended {
            reason: format!("the table name {name} belongs to topic {holder}"),
        },
        lag_records: 0,
        lag_bytes: 0,
        lagging_since_ms: None,
        totals: Totals::default(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
