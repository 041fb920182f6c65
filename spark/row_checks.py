"""Checks the rows of source files in the executors. This module does not load MLflow."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Column

from db.table_specs import ROW_NUMBER
from db.validation import check_batch, content_keys

# the checker adds these columns; the underscore keeps them apart from a problem's own
LOCATION_COLUMNS = FILE, ROW = "_file", "_row"
REJECTION_COLUMNS = REASON, ROW_VALUES = "_reason", "_row_values"

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class RowChecker:
    """Converts batches of a source file to the types of its table, as ingest.py does.

    A rejected row has a reason and its original values, and nulls in the columns of the table.
    `key` is the column for a key made of the columns `content`, or "" if the file has a key.
    """

    columns: Sequence[Column]
    key: str
    content: Sequence[str]

    @property
    def output_columns(self) -> list[str]:
        keys = [self.key] if self.key else []
        names = [column.name for column in self.columns]
        return [*keys, *names, *REJECTION_COLUMNS, *LOCATION_COLUMNS]

    def __call__(self, batches: Batches) -> Batches:
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            locations = rows.select(list(LOCATION_COLUMNS))
            numbers = pa.array(range(len(rows)), pa.int64())
            cells = rows.drop_columns(list(LOCATION_COLUMNS)).append_column(ROW_NUMBER, numbers)
            good, rejected = check_batch(cells, self.columns)
            if self.key:
                good = good.append_column(self.key, content_keys(good, self.content))
            bad = pa.table(
                {
                    ROW_NUMBER: pa.array([r.row_number for r in rejected], pa.int64()),
                    REASON: pa.array([r.reason for r in rejected], pa.string()),
                    ROW_VALUES: pa.array([json.dumps(r.values) for r in rejected], pa.string()),
                }
            )
            checked = pa.concat_tables([good, bad], promote_options="default")
            locations = locations.take(checked[ROW_NUMBER])
            for name in LOCATION_COLUMNS:
                checked = checked.append_column(name, locations[name])
            yield from checked.select(self.output_columns).to_batches()
