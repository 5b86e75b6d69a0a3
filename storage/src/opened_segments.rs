//! The segment lists as they are found on opening, held against the objects that are there.
//!
//! An object that no list names was left by a crash between writing it and listing it, or between taking it
//! off the lists and deleting it: it is removed. So is what is listed of a topic that is not, if the list of
//! topics is complete; else it stays. An object that is named but missing, or has another size, is damage:
//! it is reported, and confined to the offsets that lie in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use strom_protocol::{TopicId, Uuid};

use crate::archive::Archive;
use crate::error::OpenError;
use crate::keys;
use crate::metadata::{Change, MetadataLog};
use crate::partition::LostRange;
use crate::recovery::Corruption;
use crate::segment_list::{ListedSegment, Object, SegmentList, Undecodable};
use crate::topics::TopicList;

/// What is known of the segments of all partitions.
pub(crate) struct OpenedSegments {
    lists: HashMap<(TopicId, i32), (SegmentList, Vec<LostRange>)>,
    pub(crate) count: u64,
    pub(crate) objects_removed: u64,
    pub(crate) corruptions: Vec<Corruption>,
}

/// The objects that the lists name.
struct Named<'a> {
    archive: &'a Archive,
    present: HashMap<Uuid, u64>,
    objects: HashMap<Uuid, Arc<Object>>,
}

impl OpenedSegments {
    pub(crate) fn open(
        metadata: &MetadataLog,
        archive: &Archive,
        topics: &TopicList,
    ) -> Result<OpenedSegments, OpenError> {
        let present = list(archive)?;
        let mut named = Named { archive, present, objects: HashMap::new() };
        if topics.is_complete() {
            remove_unlisted(metadata, topics)?;
        }
        let mut opened = OpenedSegments {
            lists: HashMap::new(),
            count: 0,
            objects_removed: 0,
            corruptions: Vec::new(),
        };
        let mut damages: BTreeMap<PathBuf, Corruption> = BTreeMap::new();
        let mut orphans = Vec::new();
        for (key, value) in metadata.scan(keys::SEGMENTS) {
            let damaged = || unreadable(&key, Undecodable::Damaged);
            let (topic, partition, base_offset) = keys::parse_segment(&key).ok_or_else(damaged)?;
            let segment =
                ListedSegment::decode(base_offset, &value, |id, bytes| named.object(id, bytes));
            let segment = segment.map_err(|error| unreadable(&key, error))?;
            let log_start = keys::get_array(metadata, &keys::log_start(topic, partition));
            if segment.next_offset <= log_start.map_or(0, i64::from_le_bytes) {
                // Its records were deleted while it was flushed; its object goes after its key.
                orphans.push(Change::Delete { key });
                continue;
            }
            let (list, lost) = opened.lists.entry((topic, partition)).or_default();
            if list.end().is_some_and(|end| end > base_offset) {
                return Err(damaged());
            }
            if let Some(reason) = named.fault(&segment) {
                let file = archive.file_of(segment.object.id);
                let offsets = (topic, partition, segment.base_offset, segment.next_offset);
                let damage = damages.entry(file.clone()).or_insert_with(|| Corruption {
                    file: file.clone(),
                    position: 0,
                    reason,
                    lost: Vec::new(),
                });
                damage.lost.push(offsets);
                lost.push(LostRange { from: offsets.2, to: offsets.3, file, position: 0 });
            }
            list.push(Arc::new(segment));
            opened.count += 1;
        }
        opened.corruptions = damages.into_values().collect();
        opened.objects_removed = named.remove_others()?;
        if !orphans.is_empty() {
            drop(metadata.apply(orphans));
        }
        Ok(opened)
    }

    /// The partitions whose segments nobody has taken.
    pub(crate) fn others(&self) -> Vec<(TopicId, i32)> {
        self.lists.keys().copied().collect()
    }

    /// A partition's segments, and the ranges that are lost of them.
    pub(crate) fn take(&mut self, partition: (TopicId, i32)) -> (SegmentList, Vec<LostRange>) {
        self.lists.remove(&partition).unwrap_or_default()
    }
}

/// Removes the keys of topics that were deleted, where a crash came before they went. Durable when it returns:
/// their objects go after it.
fn remove_unlisted(metadata: &MetadataLog, topics: &TopicList) -> Result<(), OpenError> {
    let partitions: HashMap<TopicId, i32> =
        topics.topics().iter().map(|topic| (topic.id, topic.partitions)).collect();
    let removals = keys::removals_of_others(metadata, |topic, partition| {
        partitions.get(&topic).is_some_and(|count| partition < *count)
    });
    if !removals.is_empty() {
        metadata.apply(removals).wait()?;
    }
    Ok(())
}

fn list(archive: &Archive) -> Result<HashMap<Uuid, u64>, OpenError> {
    let listed = archive.list().map_err(|error| OpenError::Io {
        action: "listing",
        path: archive.root().to_path_buf(),
        source: std::io::Error::other(error),
    })?;
    Ok(listed.into_iter().collect())
}

impl Named<'_> {
    fn object(&mut self, id: Uuid, bytes: u64) -> Arc<Object> {
        let condemned = &self.archive.condemned;
        Arc::clone(self.objects.entry(id).or_insert_with(|| Object::new(id, bytes, condemned)))
    }

    /// What is wrong with a segment's object.
    fn fault(&self, segment: &ListedSegment) -> Option<String> {
        match self.present.get(&segment.object.id) {
            None => Some("the object is missing".to_owned()),
            Some(bytes) if *bytes != segment.object.bytes => Some(format!(
                "the object has {bytes} bytes and should have {}",
                segment.object.bytes
            )),
            Some(_) => None,
        }
    }

    /// Removes the objects that no list names; gives how many.
    fn remove_others(&self) -> Result<u64, OpenError> {
        let named: HashSet<&Uuid> = self.objects.keys().collect();
        let mut removed = 0;
        for id in self.present.keys().filter(|id| !named.contains(id)) {
            self.archive.delete(*id).map_err(|error| OpenError::Io {
                action: "removing",
                path: self.archive.file_of(*id),
                source: std::io::Error::other(error),
            })?;
            removed += 1;
        }
        Ok(removed)
    }
}

fn unreadable(key: &[u8], error: Undecodable) -> OpenError {
    let path = PathBuf::from(format!("metadata key {}", key.escape_ascii()));
    match error {
        Undecodable::Newer(version) => OpenError::NewerFormat {
            path,
            found: format!("{version} of a segment list"),
            supported: 1,
        },
        Undecodable::Damaged => OpenError::Corrupt {
            file: path,
            position: 0,
            reason: "it is no segment list".to_owned(),
        },
    }
}
