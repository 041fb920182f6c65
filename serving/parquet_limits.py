"""Limits on Parquet bodies, which do not rely on the sizes that the footer declares.

The real sizes and encodings are in the header of each page, in Thrift's compact protocol:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import itertools
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from serving import errors

MAX_FOOTER_BYTES = 2**20  # each byte may take a thousand times as much memory
MAX_PAGE_HEADER_BYTES = 2**16
MAX_ALL_HEADERS_BYTES = 2**20
BATCH_ROWS = 10_000
# all encodings except DELTA_BYTE_ARRAY, in which a few bytes can repeat a long text
ENCODINGS = {0, 2, 3, 4, 5, 6, 8, 9}
UNCOMPRESSED, COMPRESSED, DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 2, 3, 5, 7, 8
ENCODING = {DATA_PAGE: 2, DICTIONARY_PAGE: 2, DATA_PAGE_V2: 4}  # field number in each page header
# all types except FIXED_LEN_BYTE_ARRAY, in which a few bytes can repeat a long value
TYPES = {"BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY"}
BOOLEANS, BYTE, INTEGERS, DOUBLE, BINARY, STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, 12
MAX_DEPTH = 8  # of nested structs; the header of a page has three


def rewrite_parquet(body: bytes, columns: Sequence[str], max_rows: int, max_bytes: int) -> bytes:
    """Return the same rows as uncompressed Parquet that has only these columns.

    Raises:
        RequestError: it is not Parquet, or has too many rows, columns or bytes.
    """
    try:
        (footer_size,) = struct.unpack("<I", body[-8:-4])
        if footer_size > MAX_FOOTER_BYTES:
            errors.reject_rows("the footer of the Parquet body is too large")
        table = _read(body, columns, max_rows, max_bytes)
    except (pa.ArrowException, OSError, ValueError, LookupError, struct.error):
        errors.reject_rows("the body cannot be read as Parquet")
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
    return bytes(sink.getvalue())


def _read(body: bytes, columns: Sequence[str], max_rows: int, max_bytes: int) -> pa.Table:
    metadata = pq.read_metadata(pa.BufferReader(body))
    errors.check_row_count(metadata.num_rows, max_rows)
    errors.check_column_count(metadata.num_columns)
    places = _column_places(metadata, columns)
    names = list(places)
    _check_pages(body, metadata, places, max_bytes)
    file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=names)
    size, rows, batches = 0, 0, []
    for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
        rows += len(batch)
        errors.check_row_count(rows, max_rows)
        size += sum(map(_decoded_size, batch.columns))
        errors.check_body_size(size, max_bytes)
        batches.append(
            pa.RecordBatch.from_arrays(list(map(_decode, batch.columns)), batch.schema.names)
        )
    if not batches:
        return pa.schema([file.schema_arrow.field(name) for name in names]).empty_table()
    return pa.Table.from_batches(batches)


def _column_places(metadata: pq.FileMetaData, columns: Sequence[str]) -> dict[str, int]:
    """The place of each of these columns in the file."""
    places: dict[str, int] = {}
    for place in range(metadata.num_columns):
        column = metadata.schema.column(place)
        name = column.path.partition(".")[0]
        if name not in columns and column.name not in columns:
            continue
        if column.name in places:
            errors.reject_rows(f"the column {column.name} occurs twice")
        is_nested = column.path != column.name or column.max_definition_level > 1
        if is_nested or column.physical_type not in TYPES:
            errors.reject_rows(errors.type_reason(name if name in columns else column.name))
        places[column.name] = place
    return places


def _decode(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _decoded_size(array: pa.Array) -> int:
    """The size of the array in bytes without a dictionary."""
    if not pa.types.is_dictionary(array.type):
        return int(array.nbytes)
    lengths = pc.binary_length(array.dictionary).cast(pa.int64())
    return int(pc.sum(lengths.take(array.indices)).as_py() or 0)


def _check_pages(
    body: bytes, metadata: pq.FileMetaData, places: dict[str, int], max_bytes: int
) -> None:
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    chunks = [group.column(place) for group in groups for place in places.values()]
    sizes = [chunk.total_compressed_size for chunk in chunks]
    if sum(sizes) > len(body) or any(size < 0 for size in sizes):
        raise ValueError  # some chunks share pages, which would be read again for each chunk
    size = header_bytes = 0
    for header, header_size in itertools.chain.from_iterable(_pages(body, c) for c in chunks):
        size += header[UNCOMPRESSED]
        errors.check_body_size(size, max_bytes)
        header_bytes += header_size
        encodings = {header[kind][number] for kind, number in ENCODING.items() if kind in header}
        if header_bytes > MAX_ALL_HEADERS_BYTES or not encodings <= ENCODINGS:
            errors.reject_rows("the Parquet body has too many pages, or uses DELTA_BYTE_ARRAY")


def _pages(body: bytes, chunk: pq.ColumnChunkMetaData) -> Iterator[tuple[dict[int, Any], int]]:
    """The header of each page of a column chunk and its size, at the offsets that pyarrow uses."""
    if chunk.num_values == 0:
        return
    offset = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < offset:
        offset = chunk.dictionary_page_offset
    end = offset + chunk.total_compressed_size
    while offset < end:
        page = memoryview(body)[offset : offset + MAX_PAGE_HEADER_BYTES]
        header, size = _read_struct(page, 0)
        if header[UNCOMPRESSED] < 0 or header[COMPRESSED] < 0:
            raise ValueError
        yield header, size
        offset += size + header[COMPRESSED]


def _read_struct(data: memoryview, offset: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """The fields of a struct by their numbers, and the offset of its end."""
    fields: dict[int, Any] = {}
    number = 0
    if depth > MAX_DEPTH:
        raise ValueError
    while kind := data[offset]:
        offset += 1
        if kind >> 4:
            number += kind >> 4
        else:
            number, offset = _read_integer(data, offset)
        fields[number], offset = _read_value(data, offset, kind & 15, depth)
    return fields, offset + 1


def _read_value(data: memoryview, offset: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in BOOLEANS:
        return kind == BOOLEANS[0], offset
    if kind == BYTE:
        return data[offset], offset + 1
    if kind in INTEGERS:
        return _read_integer(data, offset)
    if kind == DOUBLE:
        return None, offset + 8
    if kind == BINARY:
        length, offset = _read_varint(data, offset)
        return None, offset + length
    if kind == STRUCT:
        return _read_struct(data, offset, depth + 1)
    raise ValueError  # the header of a page has no lists


def _read_integer(data: memoryview, offset: int) -> tuple[int, int]:
    number, offset = _read_varint(data, offset)
    return (number >> 1) ^ -(number & 1), offset


def _read_varint(data: memoryview, offset: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[offset] & 127) << shift
        offset, shift = offset + 1, shift + 7
        if data[offset - 1] < 128:
            return number, offset
        if shift > 63:
            raise ValueError
