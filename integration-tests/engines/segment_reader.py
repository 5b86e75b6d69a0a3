"""Segments as pyarrow sees them, by nothing but the Arrow file format: `segment_reader.py FILE...` prints
one JSON list per row: timestamp, key, value, headers; bytes are {"hex": ...}.
"""

import json
import sys

import pyarrow
import shell

for path in sys.argv[1:]:
    with pyarrow.memory_map(path) as source, pyarrow.ipc.open_file(source) as reader:
        assert reader.schema.names == ["timestamp", "key", "value", "headers"], reader.schema
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            batch.validate(full=True)
            for row in batch.to_pylist():
                print(json.dumps([shell.encode(cell) for cell in row.values()]))
