//! To Arrow's own reader a segment is an Arrow file.

use std::io::Cursor;

use arrow::ipc::reader::FileReader;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::batches::{batch, place};
use super::model::{Row, rows_of, rows_of_arrow};
use super::round_trip::{COMPRESSIONS, run_of, write};
use super::source::Object;
use crate::segment::chunk::ChunkKind;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arrow_reads_every_record(
        specs in vec(vec(batch(), 1..15), 1..3),
        compression in select(COMPRESSIONS.to_vec()),
        chunk_bytes in select(vec![500, 4000, 1 << 20]),
    ) {
        let runs: Vec<_> = specs.iter().map(|specs| place(specs, 0)).collect();
        let object = Object::of(&write(&runs, compression, chunk_bytes));
        let reader = FileReader::try_new(Cursor::new(object.bytes.clone()), None).unwrap();
        let read: Vec<Row> = reader.flat_map(|batch| rows_of_arrow(&batch.unwrap())).collect();

        let mut expected = Vec::new();
        for (partition, batches) in (0..).zip(&runs) {
            for chunk in run_of(&object, partition).chunks() {
                let of_chunk =
                    batches.iter().filter(|batch| chunk.offsets().contains(&batch.header.base_offset));
                for batch in of_chunk {
                    for mut row in rows_of(batch, 0) {
                        // The column has what was produced, not what LogAppendTime makes of it.
                        if batch.header.attributes.is_log_append_time() {
                            row.timestamp = 0;
                        }
                        row.value = row.value.filter(|_| chunk.kind == ChunkKind::Plain);
                        row.offset = 0;
                        expected.push(row);
                    }
                }
            }
        }
        prop_assert_eq!(read.len(), expected.len());
        for (mut read, expected) in read.into_iter().zip(expected) {
            if expected.timestamp == 0 {
                read.timestamp = 0;
            }
            prop_assert_eq!(read, expected);
        }
    }
}
