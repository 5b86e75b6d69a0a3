//! Recovery, which is opening: read the segment lists and what the journal has beyond them, and every partition
//! is what it was.
//!
//! The journal is read from where the metadata log says that it is needed; files before that hold only what is
//! in segments, or nowhere any more, and are recycled unread. The scan gives the batches in the order of the
//! journal. Each partition takes those above its segments and its log start; a gap in its offsets is damage, and becomes a range that cannot be read while all else is served.
//! What no recovery may do is take an offset back: log ends are never below what the metadata log knows.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strom_protocol::TopicId;
use strom_protocol::record::BatchHeader;

use crate::archive::Archive;
use crate::data_dir::DataDir;
use crate::error::OpenError;
use crate::io::SECTOR_BYTES;
use crate::journal::entry::EntryHead;
use crate::journal::file::{FileHeader, JournalFile, file_path, number_of};
use crate::journal::scan::{Damage, Found, Scan};
use crate::journal::{Place, Start, create_file, new_nonce};
use crate::keys;
use crate::metadata::MetadataLog;
use crate::opened_segments::OpenedSegments;
use crate::partition::{IndexEntry, LostRange, Producers, Recovered};
use crate::segment_list::SegmentList;
use crate::store::TopicSpec;
use crate::topics::{TopicList, unlisted};

/// The first file of a new directory is small, so that the first start is quick.
const FIRST_FILE_BYTES: u64 = 4 << 20;

/// Damage of what was durable, found on opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The journal file, the object with segments, or the file of the metadata log.
    pub file: PathBuf,
    /// The position in bytes.
    pub position: u64,
    /// What is wrong there.
    pub reason: String,
    /// The ranges of offsets that cannot be read: topic, partition, first, and the first one behind. None if
    /// nothing that is needed was hit, or all of it was restored from a copy.
    pub lost: Vec<(TopicId, i32, i64, i64)>,
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Whether the last process closed the store.
    pub was_clean: bool,
    /// Topics listed and opened.
    pub topics: u64,
    /// Topics that were found and not in the list, which was not complete: they are open and keep everything.
    pub unlisted: Vec<TopicId>,
    /// Partitions opened.
    pub partitions: u64,
    /// Batches found in the journal.
    pub batches: u64,
    /// Segments listed.
    pub segments: u64,
    /// Objects that no list named, left by a crash, which were removed.
    pub objects_removed: u64,
    /// Journal bytes read.
    pub bytes_read: u64,
    /// Where the journal ends in the middle of an unsynced write: file and position.
    pub torn_tail: Option<(PathBuf, u64)>,
    /// Damage; what it hit answers with errors, everything else is served.
    pub corruptions: Vec<Corruption>,
    /// The leader epoch from now on.
    pub leader_epoch: i32,
}

/// The journal's files as they are found.
struct Files {
    /// By their first LSN.
    files: Vec<Arc<JournalFile>>,
    /// Files whose place is taken by a newer one, or that nobody needs any more.
    spares: Vec<Arc<JournalFile>>,
    damages: Vec<Damage>,
    last_number: u64,
    is_new: bool,
}

/// What a journal is recovered with.
pub(crate) struct Recovery<'a> {
    pub(crate) data_dir: &'a DataDir,
    pub(crate) metadata: &'a MetadataLog,
    pub(crate) cluster_id: [u8; 16],
    pub(crate) file_bytes: u64,
    pub(crate) topics: &'a TopicList,
    pub(crate) archive: &'a Archive,
    pub(crate) now_ms: i64,
}

/// Everything that opening needs to go on.
pub(crate) struct RecoveredStore {
    pub(crate) start: Start,
    /// The number of this start: durable in the metadata log before anything is written.
    pub(crate) starts: u64,
    pub(crate) partitions: HashMap<(TopicId, i32), Recovered>,
    pub(crate) report: RecoveryReport,
}

impl Recovery<'_> {
    pub(crate) fn run(&self) -> Result<RecoveredStore, OpenError> {
        let replay = keys::replay(self.metadata);
        let Files { mut files, mut spares, damages: header_damages, last_number, is_new } =
            self.find_files(replay)?;
        let clean_end = keys::get_array(self.metadata, keys::CLEAN_END).map(u64::from_le_bytes);
        let mut opened = OpenedSegments::open(self.metadata, self.archive, self.topics)?;
        let mut builders = self.builders(&mut opened);
        let scan = Scan::new(&files, clean_end, replay, |found| {
            let (Found::Batch { entry, .. } | Found::Damaged { entry, .. }) = &found;
            let key = (entry.topic, entry.partition);
            if !self.topics.is_complete() {
                builders.entry(key).or_insert_with(|| self.unlisted_builder(key, entry));
            }
            if let Some(builder) = builders.get_mut(&key) {
                builder.take(&found);
            }
        });
        let scanned = scan.run()?;
        let end = &files[scanned.end_file];
        let end_place = (end.path.clone(), scanned.end_position);
        if clean_end.is_none() {
            wipe_end(end, scanned.end_position)?;
        }
        let mut damages = scanned.damages;
        damages.extend(header_damages);
        let generations = files.iter().chain(&spares).map(|file| file.header.generation);
        let starts = next_start(self.metadata, generations.max().max(Some(scanned.generation)));
        let mut report = RecoveryReport {
            was_clean: is_new || clean_end.is_some(),
            topics: self.topics.topics().len() as u64,
            unlisted: self.unlisted(builders.keys()),
            partitions: builders.len() as u64,
            batches: scanned.batches,
            segments: opened.count,
            objects_removed: opened.objects_removed,
            bytes_read: scanned.bytes_read,
            torn_tail: scanned.is_torn.then_some(end_place.clone()),
            ..RecoveryReport::default()
        };
        let mut gathered = Gathered { damages, lost: HashMap::new(), end_place };
        let mut partitions = HashMap::new();
        for (key, builder) in builders {
            partitions.insert(key, builder.finish(key, &mut gathered));
        }
        report.corruptions = gathered.corruptions();
        report.corruptions.extend(opened.corruptions);
        self.note_lost(&partitions);
        spares.extend(files.drain(scanned.end_file + 1..));
        let start = Start {
            files,
            spares,
            position: scanned.end_position,
            sequence: scanned.sequence,
            generation: starts << START_SHIFT,
            last_number,
        };
        Ok(RecoveredStore { start, starts, partitions, report })
    }

    /// Notes what is lost, for the time when the journal that shows it is gone. Durable before anything is
    /// written, as the start's number is.
    fn note_lost(&self, partitions: &HashMap<(TopicId, i32), Recovered>) {
        let mut changes = Vec::new();
        for ((topic, partition), recovered) in partitions {
            let known = keys::lost(self.metadata, *topic, *partition);
            let new = recovered.lost.iter().filter(|lost| !known.contains(lost));
            changes.extend(new.map(|lost| keys::put_lost(*topic, *partition, lost)));
        }
        if !changes.is_empty() {
            drop(self.metadata.apply(changes));
        }
    }

    fn find_files(&self, replay: Place) -> Result<Files, OpenError> {
        let (dir, disk) = (self.data_dir.journal_path(), self.data_dir.disk().as_ref());
        let mut found = Files {
            files: Vec::new(),
            spares: Vec::new(),
            damages: Vec::new(),
            last_number: 0,
            is_new: false,
        };
        for name in disk.list(&dir).map_err(OpenError::io("listing", &dir))? {
            let path = dir.join(&name);
            if name.ends_with(".tmp") {
                disk.remove(&path).map_err(OpenError::io("removing", &path))?;
            } else if let Some(number) = number_of(&name) {
                found.last_number = found.last_number.max(number);
                self.open_file(path, &mut found)?;
            }
        }
        // Of two files for the same place, one was prepared before a crash and never used.
        found
            .files
            .sort_by_key(|file| (file.first_lsn(), std::cmp::Reverse(file.header.generation)));
        let mut last_lsn = None;
        let (files, spares) = found.files.into_iter().partition(|file| {
            let is_first = last_lsn != Some(file.first_lsn());
            last_lsn = Some(file.first_lsn());
            is_first
        });
        (found.files, found.spares) = (files, spares);
        let needed = found.files.partition_point(|file| file.end_lsn() <= replay.lsn);
        found.spares.extend(found.files.drain(..needed));
        if found.files.is_empty() {
            // The epoch is written after the first file, so where it is known there was one.
            found.is_new = self.metadata.get(keys::LEADER_EPOCH).is_none();
            if !found.is_new && found.damages.is_empty() {
                let reason = "the journal's files are missing".to_owned();
                found.damages.push(Damage { file: dir.clone(), position: 0, reason });
            }
            found.last_number += 1;
            let path = file_path(&dir, found.last_number);
            found.files.push(self.create_first(&path, replay.lsn)?);
        }
        Ok(found)
    }

    fn open_file(&self, path: PathBuf, found: &mut Files) -> Result<(), OpenError> {
        let file = self.data_dir.disk().open(&path).map_err(OpenError::io("opening", &path))?;
        let bytes = file.read_at(0, SECTOR_BYTES).map_err(OpenError::io("reading", &path))?;
        match FileHeader::decode(&bytes, &path, self.cluster_id)? {
            Some(header) => found.files.push(Arc::new(JournalFile { file, path, header })),
            None => found.damages.push(Damage {
                file: path,
                position: 0,
                reason: "the file's header is damaged; the file is left as it is".to_owned(),
            }),
        }
        Ok(())
    }

    /// LSNs never go back, even if all files are lost.
    fn create_first(&self, path: &Path, first_lsn: u64) -> Result<Arc<JournalFile>, OpenError> {
        let header = FileHeader {
            cluster_id: self.cluster_id,
            generation: 1,
            first_lsn,
            capacity: FIRST_FILE_BYTES.min(self.file_bytes),
            nonce: new_nonce(),
        };
        let file = create_file(self.data_dir.disk().as_ref(), path, &header, || false)
            .map_err(OpenError::io("creating", path))?;
        Ok(Arc::new(JournalFile { file, path: path.to_path_buf(), header }))
    }

    fn builders(&self, opened: &mut OpenedSegments) -> HashMap<(TopicId, i32), Builder> {
        let mut builders = HashMap::new();
        for topic in self.topics.topics() {
            for partition in 0..topic.partitions {
                let mut builder = Builder::new(self.metadata, topic, partition, self.now_ms);
                builder.take_segments(opened.take((topic.id, partition)));
                builders.insert((topic.id, partition), builder);
            }
        }
        // There are others only if the list is not complete.
        for (topic, partition) in opened.others() {
            let spec = unlisted(topic, partition + 1);
            let mut builder = Builder::new(self.metadata, &spec, partition, self.now_ms);
            builder.take_segments(opened.take((topic, partition)));
            builders.insert((topic, partition), builder);
        }
        builders
    }

    /// A partition that is not listed, has no segments, and is found in the journal. If nothing is noted of it,
    /// it begins there: it may be of a topic that was deleted, whose beginning is not missing.
    fn unlisted_builder(&self, (topic, partition): (TopicId, i32), first: &EntryHead) -> Builder {
        let spec = unlisted(topic, partition + 1);
        let mut builder = Builder::new(self.metadata, &spec, partition, self.now_ms);
        if self.metadata.get(&keys::log_start(topic, partition)).is_none() {
            builder.recovered.log_start = first.base_offset;
            builder.next = first.base_offset;
        }
        builder
    }

    /// The topics of these partitions that are not listed.
    fn unlisted<'a>(&self, partitions: impl Iterator<Item = &'a (TopicId, i32)>) -> Vec<TopicId> {
        let listed: HashSet<TopicId> = self.topics.topics().iter().map(|topic| topic.id).collect();
        let others: BTreeSet<TopicId> =
            partitions.map(|(topic, _)| *topic).filter(|topic| !listed.contains(topic)).collect();
        others.into_iter().collect()
    }
}

/// A generation is the number of the start in its upper half, and counts files in its lower one.
const START_SHIFT: u32 = 32;

/// The number of this start, greater than that of any earlier one. It is counted in the metadata log
/// because the journal alone cannot tell: a crash may have lost the very groups that had the greatest
/// generation and kept later ones, which a generation given twice would bring back to life.
fn next_start(metadata: &MetadataLog, seen: Option<u64>) -> u64 {
    let counted = keys::get_array(metadata, keys::STARTS).map_or(0, u64::from_le_bytes);
    counted.max(seen.unwrap_or_default() >> START_SHIFT) + 1
}

/// Makes sure that what is left of a torn group never becomes whole again, by sectors of a later write in its
/// place that happen to be equal.
fn wipe_end(file: &JournalFile, position: u64) -> Result<(), OpenError> {
    if position < file.header.capacity {
        let zeros = [0; SECTOR_BYTES];
        file.file
            .write_at(&[IoSlice::new(&zeros)], position)
            .map_err(OpenError::io("writing", &file.path))?;
        file.file.sync_data().map_err(OpenError::io("syncing", &file.path))?;
    }
    Ok(())
}

/// A range of offsets that is missing, and the damage that explains it, if one was seen.
struct Missing {
    from: i64,
    to: i64,
    damage: Option<usize>,
}

/// One partition while the journal is scanned.
struct Builder {
    recovered: Recovered,
    /// The offset that the next batch should have.
    next: i64,
    /// The producers are known up to here.
    snapshot_offset: i64,
    min_log_end: i64,
    missing: Vec<Missing>,
    now_ms: i64,
}

impl Builder {
    fn new(metadata: &MetadataLog, topic: &TopicSpec, partition: i32, now_ms: i64) -> Builder {
        let log_start = keys::get_array(metadata, &keys::log_start(topic.id, partition))
            .map_or(0, i64::from_le_bytes);
        let snapshot = metadata
            .get(&keys::producers(topic.id, partition))
            .and_then(|value| Producers::decode(&value));
        let (producers, snapshot_offset) = snapshot.unwrap_or_default();
        let floors = topic.min_log_end.iter().filter(|(index, _)| *index == partition);
        let floor = floors.map(|(_, offset)| *offset).max().unwrap_or_default();
        let lost = keys::lost(metadata, topic.id, partition);
        let lost_end = lost.iter().map(|lost| lost.to).max().unwrap_or_default();
        let recovered =
            Recovered { log_start, producers, snapshot_offset, lost, ..Recovered::default() };
        Builder {
            recovered,
            next: log_start,
            snapshot_offset,
            min_log_end: floor.max(snapshot_offset).max(lost_end),
            missing: Vec::new(),
            now_ms,
        }
    }

    /// Takes the segments, which reach above the log start, and what is known to be lost of them.
    fn take_segments(&mut self, (segments, lost): (SegmentList, Vec<LostRange>)) {
        for (epoch, first_offset) in segments.iter().flat_map(|segment| &segment.leader_epochs) {
            self.recovered.epochs.note(*epoch, *first_offset);
        }
        self.next = self.next.max(segments.end().unwrap_or_default());
        self.recovered.segments = segments;
        self.recovered.lost.extend(lost);
    }

    fn take(&mut self, found: &Found<'_>) {
        match found {
            Found::Batch { entry, header, lsn } => self.take_batch(entry, header, *lsn),
            Found::Damaged { entry, damage } => {
                self.skip_to(entry.next_offset(), Some(*damage));
            }
        }
    }

    fn take_batch(&mut self, entry: &EntryHead, header: &BatchHeader, lsn: u64) {
        if header.has_producer_id() && entry.base_offset >= self.snapshot_offset {
            self.recovered.producers.remember(header, 0, self.now_ms);
        }
        // Below the log start, in a segment, or repeated in a file that was freed and not recycled.
        if entry.next_offset() <= self.next {
            return;
        }
        self.skip_to(entry.base_offset, None);
        self.recovered.epochs.note(header.partition_leader_epoch, entry.base_offset);
        self.recovered.index.push(IndexEntry {
            base_offset: entry.base_offset,
            lsn,
            max_timestamp: header.max_timestamp,
            bytes: entry.payload_bytes,
            offsets: entry.offsets,
        });
        self.next = entry.next_offset();
    }

    fn skip_to(&mut self, offset: i64, damage: Option<usize>) {
        if offset > self.next {
            self.missing.push(Missing { from: self.next, to: offset, damage });
            self.next = offset;
        }
    }

    fn finish(mut self, key: (TopicId, i32), gathered: &mut Gathered) -> Recovered {
        self.skip_to(self.min_log_end, None);
        self.recovered.log_end = self.next;
        let known = std::mem::take(&mut self.recovered.lost);
        for missing in &self.missing {
            let is_known =
                known.iter().any(|lost| lost.from <= missing.from && missing.to <= lost.to);
            // What the journal shows is reported again at every start; what it shows no more, is not.
            if !is_known || missing.damage.is_some() {
                let lost = gathered.explain(key, missing);
                self.recovered.lost.extend((!is_known).then_some(lost));
            }
        }
        self.recovered.lost.extend(known);
        self.recovered.lost.retain(|lost| lost.to > self.recovered.log_start);
        self.recovered.lost.sort_by_key(|lost| lost.from);
        self.recovered
    }
}

/// Damage and what it cost, over all partitions.
struct Gathered {
    damages: Vec<Damage>,
    lost: HashMap<usize, Vec<(TopicId, i32, i64, i64)>>,
    end_place: (PathBuf, u64),
}

impl Gathered {
    /// Names the damage that a missing range is due to: the one seen, or the last one found, or, when the
    /// journal shows none, the loss itself.
    fn explain(&mut self, (topic, partition): (TopicId, i32), missing: &Missing) -> LostRange {
        let known = missing.damage.or(self.damages.len().checked_sub(1));
        let index = known.unwrap_or_else(|| {
            let (file, position) = self.end_place.clone();
            let reason = "records are missing from the journal".to_owned();
            self.damages.push(Damage { file, position, reason });
            self.damages.len() - 1
        });
        let lost = (topic, partition, missing.from, missing.to);
        self.lost.entry(index).or_default().push(lost);
        let damage = &self.damages[index];
        LostRange {
            from: missing.from,
            to: missing.to,
            file: damage.file.clone(),
            position: damage.position,
        }
    }

    fn corruptions(mut self) -> Vec<Corruption> {
        let mut corruptions = Vec::new();
        for (index, damage) in self.damages.into_iter().enumerate() {
            let mut lost = self.lost.remove(&index).unwrap_or_default();
            lost.sort_unstable();
            let Damage { file, position, reason } = damage;
            corruptions.push(Corruption { file, position, reason, lost });
        }
        corruptions
    }
}
