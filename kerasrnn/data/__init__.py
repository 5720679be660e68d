from kerasrnn.data.columns import read_column
from kerasrnn.data.corpus import Corpus
from kerasrnn.data.csv_files import read_csv
from kerasrnn.data.documents import Documents
from kerasrnn.data.interleaving import interleave
from kerasrnn.data.json_lines import read_json_lines
from kerasrnn.data.named import load_corpus
from kerasrnn.data.text_files import read_text
from kerasrnn.data.tfrecord import read_tfrecord
from kerasrnn.data.windows import language_model_dataset

__all__ = [
    "Corpus",
    "Documents",
    "interleave",
    "language_model_dataset",
    "load_corpus",
    "read_column",
    "read_csv",
    "read_json_lines",
    "read_text",
    "read_tfrecord",
]
