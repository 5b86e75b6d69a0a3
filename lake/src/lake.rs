//! The lake itself: the registry of topics' tables, and its start and end.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use strom_protocol::TopicId;
use strom_storage::{Change, MetadataLog, Store};
use tokio::sync::oneshot;

use crate::catalog::{self, Catalog};
use crate::commit::TableIdentity;
use crate::flush::Step;
use crate::pointer::{self, Pointer};
use crate::scheduler::{self, Queue};
use crate::table::{LakeStatus, Table, TableState, TableStatus, Totals};
use crate::warehouse::{Root, Warehouse};
use crate::{LakeError, LakeOptions, LakeTopic, files, names};

/// A test's hook: stops a flush at a step as a crash would, if it returns true.
pub(crate) type FaultHook = Arc<dyn Fn(Step) -> bool + Send + Sync>;

/// What workers, ticker and catalog share.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) options: LakeOptions,
    pub(crate) warehouse: Warehouse,
    pub(crate) queue: Queue,
    registry: Mutex<Registry>,
    fault: Option<FaultHook>,
}

#[derive(Debug, Default)]
struct Registry {
    /// The tables, by name.
    tables: BTreeMap<String, Arc<Table>>,
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
        self.registry().tables.values().cloned().collect()
    }

    pub(crate) fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.registry().tables.get(name).cloned()
    }

    /// The pointer of a topic's table as the metadata log has it.
    pub(crate) fn stored_pointer(&self, identity: &TableIdentity) -> Option<Pointer> {
        self.stored_pointer_of(&identity.table).filter(|p| p.belongs_to(identity.topic_id))
    }

    /// Decides which topic has the table of a name. `changed` is a topic whose settings are new.
    fn elect(&self, registry: &mut Registry, name: String, changed: Option<TopicId>) {
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
        for other in registry.contenders.get(&name).into_iter().flatten() {
            if other.id != table.topic.id {
                tracing::warn!(
                    topic = other.name,
                    table = name,
                    holder = table.topic.name,
                    "the lake of a topic is suspended: another topic has its table name"
                );
                for partition in self.store.partitions(other.id) {
                    partition.set_retention_guard(None);
                }
            }
        }
        registry.tables.insert(name, Arc::new(table));
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
        Table::new(identity, topic, pointer)
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
        let shared = Arc::new(Shared {
            store,
            options,
            warehouse,
            queue: Queue::default(),
            registry: Mutex::default(),
            fault,
        });
        drop_orphans(&shared)?;
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

    /// Drops a topic's table and purges its files; the topic may be gone from the store already.
    /// A topic that was suspended for it gets the name.
    pub fn remove_topic(&self, id: TopicId) {
        let shared = &self.shared;
        let mut registry = shared.registry();
        let Some(name) = registry.names.remove(&id) else { return };
        if let Some(contenders) = registry.contenders.get_mut(&name) {
            contenders.retain(|topic| topic.id != id);
        }
        if registry.tables.get(&name).is_some_and(|table| table.topic.id == id)
            && let Some(table) = registry.tables.remove(&name)
        {
            table.close();
            drop_pointer(shared.store.metadata(), &table.identity);
            let location = table.identity.location.clone();
            shared.queue.purge(Some(table), location);
        }
        shared.elect(&mut registry, name, None);
    }

    /// Takes no more records of a topic, which stays; so do its table's files and pointer, and
    /// [`add_topic`](Self::add_topic) goes on where they end. A topic that was suspended for it gets
    /// the name.
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

/// Drops the tables of topics that are no more, and directories that never became a table.
fn drop_orphans(shared: &Shared) -> Result<(), LakeError> {
    let lives = |id: TopicId| !shared.store.partitions(id).is_empty();
    for (key, value) in shared.store.metadata().scan(pointer::PREFIX) {
        let pointer =
            Pointer::decode(&key, &value).map_err(|e| LakeError::Pointer(e.to_string()))?;
        if pointer.namespace == shared.options.namespace && !lives(TopicId(pointer.topic_id)) {
            tracing::info!(table = pointer.table, "dropping the table of a topic that is no more");
            let dropped = shared.store.metadata().apply(vec![Change::Delete { key }]);
            dropped.wait().map_err(|e| LakeError::Storage(e.to_string()))?;
            shared.queue.purge(None, pointer.location);
        }
    }
    let Some(root) = shared.warehouse.local_root() else { return Ok(()) };
    for (name, path) in files::list(&root.join(&shared.options.namespace))? {
        if names::topic_id_in(&name).is_some_and(|id| !lives(id)) {
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

/// Removes a table's pointer, if it is that table's. Durable with the next group of changes: a
/// crash before that is seen at the next start, when the topic is no more.
fn drop_pointer(metadata: &MetadataLog, identity: &TableIdentity) {
    let key = Pointer::key(&identity.namespace, &identity.table);
    let Some(value) = metadata.get(&key) else { return };
    let is_its_own = Pointer::decode(&key, &value).is_ok_and(|p| p.belongs_to(identity.topic_id));
    if is_its_own {
        drop(metadata.apply(vec![Change::Delete { key }]));
    }
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
