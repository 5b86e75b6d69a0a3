use std::collections::HashSet;

use iceberg::spec::{DataContentType, DataFileBuilder, DataFileFormat, ManifestStatus};

use super::*;
use crate::columns;

fn context(snapshot_id: i64) -> ManifestContext {
    let schema = Arc::new(columns::iceberg_schema());
    ManifestContext { snapshot_id, schema, spec: PartitionSpec::unpartition_spec() }
}

fn file(name: &str) -> DataFile {
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(name.into())
        .file_format(DataFileFormat::Parquet)
        .record_count(10)
        .file_size_in_bytes(100)
        .build()
        .unwrap()
}

#[test]
fn merged_entries_keep_their_snapshot_and_sequence_numbers() {
    let mut manifests = Vec::new();
    let mut contents = Vec::new();
    for commit in 1..=2i64 {
        let location = format!("file:///w/m{commit}.avro");
        let files = vec![file(&format!("a{commit}")), file(&format!("b{commit}"))];
        let (mut manifest, content) =
            encode_added(&context(100 + commit), location, files).unwrap();
        manifest.sequence_number = commit;
        manifest.min_sequence_number = commit;
        manifests.push(manifest);
        contents.push(content.bytes);
    }
    let list = encode_list(102, Some(101), 2, "file:///w/list.avro".into(), &manifests).unwrap();
    let read = decode_list(&list.bytes).unwrap();
    assert_eq!(read, manifests);

    let entries: Vec<_> = read
        .iter()
        .zip(contents)
        .flat_map(|(manifest, bytes)| decode_entries(manifest, bytes).unwrap())
        .collect();
    let (mut merged, content) =
        encode_existing(&context(103), "file:///w/m3.avro".into(), &entries).unwrap();
    assert_eq!(merged.min_sequence_number, 1);
    merged.sequence_number = 3;
    let again = decode_entries(&merged, content.bytes).unwrap();
    let seen: Vec<_> = again
        .iter()
        .map(|e| {
            (e.file_path(), e.status, e.snapshot_id, e.sequence_number, e.file_sequence_number)
        })
        .collect();
    let existing = ManifestStatus::Existing;
    assert_eq!(
        seen,
        [
            ("a1", existing, Some(101), Some(1), Some(1)),
            ("b1", existing, Some(101), Some(1), Some(1)),
            ("a2", existing, Some(102), Some(2), Some(2)),
            ("b2", existing, Some(102), Some(2), Some(2)),
        ]
    );
}

#[test]
fn any_number_of_commits_keeps_few_manifests() {
    let template = encode_added(&context(1), "m".into(), vec![file("a")]).unwrap().0;
    let with = |files: u32| {
        let mut manifest = template.clone();
        manifest.added_files_count = Some(0);
        manifest.existing_files_count = Some(files);
        manifest
    };
    let (mut manifests, mut rewritten, commits) = (Vec::new(), 0u32, 10_000u32);
    for _ in 0..commits {
        let merge: HashSet<usize> = to_merge(&manifests).into_iter().collect();
        let files: u32 = merge.iter().map(|&i| live_file_count(&manifests[i]) as u32).sum();
        rewritten += files;
        let mut next = vec![with(1)];
        if files > 0 {
            next.push(with(files));
        }
        let kept = manifests.iter().enumerate().filter(|(i, _)| !merge.contains(i));
        next.extend(kept.map(|(_, manifest)| manifest.clone()));
        manifests = next;
        assert!(manifests.len() <= 3 * MERGE_COUNT, "{}", manifests.len());
    }
    let files: u64 = manifests.iter().map(live_file_count).sum();
    assert_eq!(files, u64::from(commits));
    assert!(rewritten <= 3 * commits, "each entry is rewritten few times: {rewritten}");
}
