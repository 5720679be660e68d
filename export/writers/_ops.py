"""What a served graph may do: an allow-list of TensorFlow operations, checked on the SavedModel as written.

It is a list of names because TensorFlow's own marks do not tell: ReadFile, ImmutableConst (which maps a file), Abort
(which ends the process) and PyFuncStateless all count as stateless, and whatever `import tensorflow_text` or any other
library registers looks like an operation of the core.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from kerasrnn.export._manifest import ArtefactError

# Operations of TensorFlow's core whose results depend on their inputs alone and that change nothing.
SERVED = frozenset(
    """
    Const Placeholder PlaceholderWithDefault NoOp Identity IdentityN EnsureShape StopGradient PreventGradient Snapshot
    PartitionedCall StatefulPartitionedCall If StatelessIf Case StatelessCase While StatelessWhile Assert CheckNumerics
    VarHandleOp ReadVariableOp VariableShape VarIsInitializedOp ResourceGather ResourceGatherNd
    HashTableV2 MutableHashTableV2 LookupTableFindV2 LookupTableSizeV2

    Add AddV2 AddN AccumulateNV2 Sub Mul MulNoNan Div DivNoNan RealDiv FloorDiv TruncateDiv FloorMod TruncateMod Mod Neg
    Abs Sign Reciprocal Inv Square SquaredDifference Sqrt Rsqrt Pow Exp Expm1 Log Log1p Xlogy Xlog1py Xdivy
    Maximum Minimum ClipByValue Ceil Floor Round Rint IsFinite IsInf IsNan NextAfter
    Sin Cos Tan Asin Acos Atan Atan2 Sinh Cosh Tanh Asinh Acosh Atanh
    Erf Erfc Erfinv Ndtri Lgamma Digamma Polygamma Zeta Igamma Igammac Betainc
    BesselI0 BesselI0e BesselI1 BesselI1e BesselJ0 BesselJ1 BesselK0 BesselK0e BesselK1 BesselK1e BesselY0 BesselY1
    Complex ComplexAbs Real Imag Conj Angle Cast Bitcast
    BitwiseAnd BitwiseOr BitwiseXor Invert LeftShift RightShift PopulationCount
    LogicalAnd LogicalOr LogicalNot Equal NotEqual ApproximateEqual Less LessEqual Greater GreaterEqual
    Select SelectV2 Where

    All Any Sum Mean Prod Max Min EuclideanNorm ArgMax ArgMin Cumsum Cumprod CumulativeLogsumexp
    SegmentSum SegmentSumV2 SegmentMean SegmentProd SegmentProdV2 SegmentMax SegmentMaxV2 SegmentMin SegmentMinV2
    UnsortedSegmentSum UnsortedSegmentProd UnsortedSegmentMax UnsortedSegmentMin
    Bincount DenseBincount RaggedBincount HistogramFixedWidth Bucketize LowerBound UpperBound
    TopK TopKV2 ApproxTopK NthElement InTopK InTopKV2 Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 ListDiff

    Shape ShapeN Size Rank Reshape Squeeze ExpandDims BroadcastTo BroadcastArgs BroadcastGradientArgs Fill ZerosLike OnesLike
    Range LinSpace OneHot Concat ConcatV2 ConcatOffset ParallelConcat Pack Unpack Split SplitV Tile
    Slice StridedSlice TensorStridedSliceUpdate Gather GatherV2 GatherNd DynamicPartition DynamicStitch ParallelDynamicStitch
    ScatterNd TensorScatterUpdate TensorScatterAdd TensorScatterSub TensorScatterMax TensorScatterMin
    Transpose ConjugateTranspose InvertPermutation Pad PadV2 MirrorPad Reverse ReverseV2 ReverseSequence Roll UnravelIndex
    Diag DiagPart MatrixDiag MatrixDiagV2 MatrixDiagV3 MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3
    MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MatrixBandPart
    EmptyTensorList TensorListReserve TensorListFromTensor TensorListStack TensorListGetItem TensorListSetItem
    TensorListGather TensorListScatter TensorListScatterV2 TensorListScatterIntoExistingList TensorListConcat
    TensorListConcatV2 TensorListConcatLists TensorListSplit TensorListPushBack TensorListPopBack TensorListPushBackBatch
    TensorListResize TensorListLength TensorListElementShape

    MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum Cross Cholesky Qr Svd Lu Eig SelfAdjointEigV2
    MatrixInverse MatrixDeterminant LogMatrixDeterminant MatrixSolve MatrixSolveLs MatrixTriangularSolve MatrixExponential
    MatrixLogarithm MatrixSquareRoot BandedTriangularSolve TridiagonalSolve TridiagonalMatMul
    FFT FFT2D FFT3D FFTND IFFT IFFT2D IFFT3D IFFTND RFFT RFFT2D RFFT3D RFFTND IRFFT IRFFT2D IRFFT3D IRFFTND

    BiasAdd Relu Relu6 LeakyRelu Elu Selu Sigmoid Softplus Softsign Softmax LogSoftmax L2Loss LRN
    SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits
    Conv Conv2D Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D Conv3DBackpropInputV2 DepthwiseConv2dNative
    DepthwiseConv2dNativeBackpropInput Dilation2D AvgPool AvgPool3D MaxPool MaxPoolV2 MaxPool3D MaxPoolWithArgmax
    SpaceToBatch SpaceToBatchND BatchToSpace BatchToSpaceND SpaceToDepth DepthToSpace
    FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 DataFormatDimMap DataFormatVecPermute
    BlockLSTM BlockLSTMV2 LSTMBlockCell GRUBlockCell CTCGreedyDecoder CTCBeamSearchDecoder EditDistance
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel

    ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate CropAndResize ExtractImagePatches
    ExtractVolumePatches ImageProjectiveTransformV2 ImageProjectiveTransformV3 NonMaxSuppressionV3 NonMaxSuppressionV4
    NonMaxSuppressionV5 CombinedNonMaxSuppression RGBToHSV HSVToRGB AdjustContrastv2 AdjustHue AdjustSaturation
    DecodeImage DecodeJpeg DecodePng DecodeWav DecodeRaw DecodeBase64 EncodeBase64 AudioSpectrogram Mfcc

    AsString StringFormat StringJoin StringLength StringLower StringUpper StringStrip StringNGrams StringSplit StringSplitV2
    Substr ReduceJoin UnsortedSegmentJoin RegexReplace RegexFullMatch StaticRegexReplace StaticRegexFullMatch
    StringToNumber StringToHashBucket StringToHashBucketFast StringToHashBucketStrong Fingerprint
    UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode UnicodeScript UnicodeTranscode
    RaggedRange RaggedGather RaggedCross RaggedTensorToTensor RaggedTensorToSparse RaggedTensorToVariant
    RaggedTensorFromVariant RaggedFillEmptyRows RaggedCountSparseOutput
    SparseAdd SparseConcat SparseCross SparseCrossHashed SparseCrossV2 SparseCountSparseOutput DenseCountSparseOutput
    SparseFillEmptyRows SparseReduceMax SparseReduceSum SparseReorder SparseReshape SparseSlice SparseSoftmax SparseSplit
    SparseBincount SparseTensorDenseAdd SparseTensorDenseMatMul SparseToDense SparseDenseCwiseAdd SparseDenseCwiseMul
    SparseDenseCwiseDiv SparseSegmentSum SparseSegmentMean SparseSegmentSqrtN

    StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomUniform
    StatelessRandomUniformV2 StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformFullInt
    StatelessRandomUniformFullIntV2 StatelessRandomNormal StatelessRandomNormalV2 StatelessTruncatedNormal
    StatelessTruncatedNormalV2 StatelessRandomBinomial StatelessRandomPoisson StatelessRandomGammaV2 StatelessRandomGammaV3
    StatelessParameterizedTruncatedNormal StatelessMultinomial StatelessShuffle RandomIndexShuffle
    """.split()
)

# Operations of tensorflow_text that TensorFlow Serving has built in, by the library that plain TensorFlow finds them in.
TEXT = {
    "_normalize_ops.so": frozenset(["NormalizeUTF8"]),
    "_sentencepiece_tokenizer.so": frozenset(["SentencepieceOp", "SentencepieceTokenizeOp", "SentencepieceDetokenizeOp"]),
}

# What TensorFlow adds to load, and save again, variables and tables: fine there, never in what a client calls.
LOADING = frozenset(
    """
    RestoreV2 SaveV2 MergeV2Checkpoints ShardedFilename AssignVariableOp DisableCopyOnRead
    LookupTableImportV2 LookupTableExportV2 InitializeTableV2 InitializeTableFromTextFileV2
    """.split()
)

_INIT = "__saved_model_init_op"  # the signature's name, and its output's

_REASON = (
    "a server runs only TensorFlow's own operations, whose results depend on their inputs alone. "
    "Make the layer (or Lambda) that uses it of these, and export again"
)
_REASONS = {
    "AssignVariableOp": "it writes a variable, which all clients share. Make recurrent layers with stateful=False, "
    "and states inputs and outputs",
    "CudnnRNNV3": "it runs on GPUs alone. Make the layer with use_cudnn=False",
}


class ForbiddenOpError(ArtefactError):
    """A model's graph holds an operation that a server must not run or may not know; nothing was written."""


def check_ops(saved_model_folder: Path | str) -> set[str]:
    """The operations of a SavedModel, main graph and functions, each of them allowed.

    Args:
        saved_model_folder: the folder of saved_model.pb.

    Returns:
        The names of the operations.

    Raises:
        ForbiddenOpError: an operation that is not on the list; the message names it, and where it is.
    """
    found = set()
    for graph in _graphs(saved_model_folder):
        called = _called(graph)
        for where, nodes in _parts(graph).items():
            allowed = SERVED.union(*TEXT.values(), () if where in called else LOADING)
            for node in nodes:
                if node.op not in allowed:
                    reason = _REASONS.get(node.op, _REASON)
                    raise ForbiddenOpError(f"operation {node.op} (node {node.name!r}) cannot be exported; {reason}.")
                found.add(node.op)
    return found


def text_libraries(saved_model_folder: Path | str) -> list[str]:
    """The names of tensorflow_text's libraries whose operations a SavedModel holds."""
    found = {node.op for graph in _graphs(saved_model_folder) for nodes in _parts(graph).values() for node in nodes}
    return [library for library, ops in TEXT.items() if not ops.isdisjoint(found)]


def _graphs(saved_model_folder: Path | str) -> Any:
    return saved_model_pb2.SavedModel.FromString((Path(saved_model_folder) / "saved_model.pb").read_bytes()).meta_graphs


def _parts(graph: Any) -> dict[str, list[Any]]:
    """The nodes of a graph's functions by the function's name, and each node of the main graph by its own."""
    functions = {function.signature.name: list(function.node_def) for function in graph.graph_def.library.function}
    return functions | {f"main:{node.name}": [node] for node in graph.graph_def.node}


def _called(graph: Any) -> set[str]:
    """The parts that signatures need; what else there is, loading and saving do."""
    parts, signatures = _parts(graph), graph.signature_def
    outputs = [signature.outputs.values() for name, signature in signatures.items() if name != _INIT]
    waiting, seen = [_main(output.name) for values in outputs for output in values], set()
    while waiting:
        part = waiting.pop()
        if part in parts and part not in seen:
            seen.add(part)
            waiting.extend(needed for node in parts[part] for needed in _needed(node, part))
    return seen


def _needed(node: Any, part: str) -> Iterator[str]:
    for value in node.attr.values():
        yield from [value.func.name, *(function.name for function in value.list.func)]
    if part.startswith("main:"):
        yield from map(_main, node.input)


def _main(tensor: str) -> str:
    """The part that computes a tensor of the main graph, "name:0", or that a control input, "^name", waits for."""
    return "main:" + tensor.lstrip("^").partition(":")[0]
