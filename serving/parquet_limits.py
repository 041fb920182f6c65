"""Parquet within limits: what a file says of its size in its footer need not be true.

The sizes and encodings that count are those in front of each page, in Thrift's compact protocol:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import itertools
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from serving.errors import check_body_size, check_column_count, check_row_count, reject_rows

MOST_FOOTER = 2**20  # bytes; each may take a thousand times as many in memory
MOST_HEADER = 2**16  # bytes of a page's header
MOST_HEADERS = 2**20  # bytes of all pages' headers
BATCH = 10_000  # rows read at a time
# all but DELTA_BYTE_ARRAY, by which a few bytes repeat a long text
ENCODINGS = {0, 2, 3, 4, 5, 6, 8, 9}
UNCOMPRESSED, COMPRESSED, DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 2, 3, 5, 7, 8
ENCODING = {DATA_PAGE: 2, DICTIONARY_PAGE: 2, DATA_PAGE_V2: 4}  # the field of each page's header
# FIXED_LEN_BYTE_ARRAY, of which a few bytes repeat a long value, is no number and no text
TYPES = {"BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY"}
BOOLEANS, BYTE, INTEGERS, DOUBLE, BINARY, STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, 12
DEEPEST = 8  # structs in structs; a page's header has three


def rewrite_parquet(body: bytes, columns: Sequence[str], most_rows: int, most_bytes: int) -> bytes:
    """The same rows as plain Parquet that has only these columns.

    Raises:
        Refusal: it is not Parquet, or has more rows, columns or bytes than allowed.
    """
    try:
        (footer_size,) = struct.unpack("<I", body[-8:-4])
        if footer_size > MOST_FOOTER:
            reject_rows("the footer of the Parquet body is too large")
        table = _read(body, columns, most_rows, most_bytes)
    except (pa.ArrowException, OSError, ValueError, LookupError, struct.error):
        reject_rows("the body cannot be read as Parquet")
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
    return bytes(sink.getvalue())


def _read(body: bytes, columns: Sequence[str], most_rows: int, most_bytes: int) -> pa.Table:
    metadata = pq.read_metadata(pa.BufferReader(body))
    check_row_count(metadata.num_rows, most_rows)
    check_column_count(metadata.num_columns)
    names = _flat(metadata, columns)
    _check_pages(body, metadata, names, most_bytes)
    file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=list(names))
    size, rows, batches = 0, 0, []
    for batch in file.iter_batches(BATCH, columns=list(names), use_threads=False):
        rows += len(batch)
        check_row_count(rows, most_rows)
        size += sum(map(_decoded_size, batch.columns))
        check_body_size(size, most_bytes)
        batches.append(
            pa.RecordBatch.from_arrays(list(map(_decoded, batch.columns)), batch.schema.names)
        )
    return pa.Table.from_batches(batches) if batches else _empty(file, names)


def _empty(file: pq.ParquetFile, names: dict[str, int]) -> pa.Table:
    return pa.schema([file.schema_arrow.field(name) for name in names]).empty_table()


def _flat(metadata: pq.FileMetaData, columns: Sequence[str]) -> dict[str, int]:
    """The place of each of these columns in the file."""
    places: dict[str, int] = {}
    for place in range(metadata.num_columns):
        column = metadata.schema.column(place)
        name = column.path.partition(".")[0]
        if name not in columns and column.name not in columns:
            continue
        if column.name in places:
            reject_rows(f"{column.name} is there twice")
        is_nested = column.path != column.name or column.max_definition_level > 1
        if is_nested or column.physical_type not in TYPES:
            kept = name if name in columns else column.name
            reject_rows(f"{kept} holds something of another type than the model's signature has")
        places[column.name] = place
    return places


def _decoded(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _decoded_size(array: pa.Array) -> int:
    """Bytes of the array without a dictionary."""
    if not pa.types.is_dictionary(array.type):
        return int(array.nbytes)
    lengths = pc.binary_length(array.dictionary).cast(pa.int64())
    return int(pc.sum(lengths.take(array.indices)).as_py() or 0)


def _check_pages(
    body: bytes, metadata: pq.FileMetaData, names: dict[str, int], most_bytes: int
) -> None:
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    chunks = [group.column(place) for group in groups for place in names.values()]
    sizes = [chunk.total_compressed_size for chunk in chunks]
    if sum(sizes) > len(body) or any(size < 0 for size in sizes):
        raise ValueError  # some share their pages, which would all be read again for each
    size = headers = 0
    for header, header_size in itertools.chain.from_iterable(_pages(body, c) for c in chunks):
        size += header[UNCOMPRESSED]
        check_body_size(size, most_bytes)
        headers += header_size
        used = {header[kind][at] for kind, at in ENCODING.items() if kind in header}
        if headers > MOST_HEADERS or not used <= ENCODINGS:
            reject_rows("the Parquet body has too many pages, or is in DELTA_BYTE_ARRAY")


def _pages(body: bytes, chunk: pq.ColumnChunkMetaData) -> Iterator[tuple[dict[int, Any], int]]:
    """The headers of a column's pages with their sizes, where pyarrow looks for them."""
    if chunk.num_values == 0:
        return
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    while at < end:
        header, size = _struct(memoryview(body)[at : at + MOST_HEADER], 0)
        if header[UNCOMPRESSED] < 0 or header[COMPRESSED] < 0:
            raise ValueError
        yield header, size
        at += size + header[COMPRESSED]


def _struct(body: memoryview, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """A struct's fields by their ids, and where it ends."""
    fields: dict[int, Any] = {}
    field = 0
    if depth > DEEPEST:
        raise ValueError
    while kind := body[at]:
        at += 1
        if kind >> 4:
            field += kind >> 4
        else:
            field, at = _integer(body, at)
        fields[field], at = _value(body, at, kind & 15, depth)
    return fields, at + 1


def _value(body: memoryview, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in BOOLEANS:
        return kind == BOOLEANS[0], at
    if kind == BYTE:
        return body[at], at + 1
    if kind in INTEGERS:
        return _integer(body, at)
    if kind == DOUBLE:
        return None, at + 8
    if kind == BINARY:
        length, at = _varint(body, at)
        return None, at + length
    if kind == STRUCT:
        return _struct(body, at, depth + 1)
    raise ValueError  # a page's header has no lists


def _integer(body: memoryview, at: int) -> tuple[int, int]:
    number, at = _varint(body, at)
    return (number >> 1) ^ -(number & 1), at


def _varint(body: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (body[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if body[at - 1] < 128:
            return number, at
        if shift > 63:
            raise ValueError
