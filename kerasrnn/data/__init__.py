from kerasrnn.data.bucketed_documents import bucketed_documents
from kerasrnn.data.columns import read_column
from kerasrnn.data.corpus import Corpus
from kerasrnn.data.csv_files import read_csv
from kerasrnn.data.document_streams import document_streams
from kerasrnn.data.documents import Documents
from kerasrnn.data.forecasting import forecast_dataset, temporal_split
from kerasrnn.data.interleaving import interleave
from kerasrnn.data.json_lines import read_json_lines
from kerasrnn.data.named import load_corpus
from kerasrnn.data.passes import PassOptions
from kerasrnn.data.shard_writer import prepare_shards
from kerasrnn.data.shards import TokenShards
from kerasrnn.data.strided_windows import strided_windows
from kerasrnn.data.text_files import read_text
from kerasrnn.data.tfrecord import read_tfrecord
from kerasrnn.data.variable_windows import variable_windows
from kerasrnn.data.windows import language_model_dataset

__all__ = [
    "Corpus",
    "Documents",
    "PassOptions",
    "TokenShards",
    "bucketed_documents",
    "document_streams",
    "forecast_dataset",
    "interleave",
    "language_model_dataset",
    "load_corpus",
    "prepare_shards",
    "read_column",
    "read_csv",
    "read_json_lines",
    "read_text",
    "read_tfrecord",
    "strided_windows",
    "temporal_split",
    "variable_windows",
]
