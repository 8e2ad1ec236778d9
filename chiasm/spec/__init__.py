"""What a model is, as data: frozen values that every room reads and nothing else defines.

A `Family` is a name, its paper and a `Model` value; a model is made of views, an encoder, connector steps, a fusion and a
decoder (`Causal`), or of two towers that meet (`Match`). Widths are in numbers, sizes of pictures in pixels, angles' base as
`theta`. Sum types are unions of dataclasses: whoever handles one matches on all of its cases.
"""

from __future__ import annotations

from chiasm.spec.block import DELTA_CHUNK, Activation, Attends, Block, Delta, Experts, Latent, Mixer, Norm, Scores
from chiasm.spec.clips import Even, Frames, PerSecond, Take
from chiasm.spec.codes import VQ
from chiasm.spec.compress import MergeAlike, MergeFrames, Prune
from chiasm.spec.connectors import (
    Align,
    Bend,
    Enclose,
    EndFrames,
    EndRows,
    JoinTiles,
    Merge,
    Mlp,
    Normed,
    Placed,
    PoolClips,
    PoolSquares,
    PoolTime,
    Recut,
    RowsOfTiles,
    Step,
    Tally,
    Times,
    TwoMeans,
    Unit,
)
from chiasm.spec.declares import Declares, breaks
from chiasm.spec.detector import Deformable, Detector, Phrases
from chiasm.spec.encoders import (
    Both,
    ByKind,
    ConvViT,
    Divided,
    Encoder,
    Flat,
    MergingViT,
    Precomputed,
    ResNet,
    TiledViT,
    ViT,
    Windows,
)
from chiasm.spec.family import Family, Proof, override
from chiasm.spec.fusions import AddByBox, Alone, Average, Cross, Discrete, Everything, Expert, Fusion, Nothing, Splice, Way
from chiasm.spec.heads import Head, MultiVector, Pointing
from chiasm.spec.language import Bidirectional, BoxPlaces, Decoder, EncoderDecoder, TextTower
from chiasm.spec.marks import Ahead, Around, Bare, Edges, Marks, Numbered, RowColumn, RowEnds, Sized
from chiasm.spec.masks import MaskDecoder, Masks, Segment
from chiasm.spec.models import Bind, CodedMasks, Connect, Encode, EncodeText, Find, Looks, Match, Model, QueryMatch, See
from chiasm.spec.numbers import PLAIN, Always, Numbers, Written
from chiasm.spec.pages import BoxTables, EncodePage, Labels, PageBias, PageSight
from chiasm.spec.pools import AddedPool, AttentionPool, ClsProject, First, GridPool, MeanProject, Pool, Tanh
from chiasm.spec.positions import (
    Axial,
    Buckets,
    ClipSines,
    ClipTable,
    DynamicNtk,
    Learned,
    LinearScaling,
    Llama3Scaling,
    LongRope,
    Plain,
    Position,
    Relative,
    Rope,
    Scaling,
    Sines,
    StepNtk,
    Table,
    Yarn,
)
from chiasm.spec.queries import Asker, QFormer, Reader, Resampler, Told, Words
from chiasm.spec.regions import Regions
from chiasm.spec.signals import Disparity, Heat, Mel, Reads, Signal, Strides
from chiasm.spec.views import (
    Bounded,
    Budget,
    Candidates,
    Canvas,
    Corner,
    CoverTiles,
    DynamicTiles,
    Fitted,
    Letterbox,
    Longest,
    LowHigh,
    Native,
    Pinpoints,
    Pixels,
    Resample,
    Resize,
    Sheet,
    Shortest,
    Slices,
    TileGrid,
    Views,
)
from chiasm.spec.volumes import EncodeVolume, ResNet3d, Window
from chiasm.spec.windowed import Coarsened, Swin, WindowedViT
from chiasm.spec.writers import BoxDialect, Carried, Causal, Seq2Seq, Sight, Writer

__all__ = [
    "DELTA_CHUNK", "PLAIN", "VQ", "Activation", "AddByBox", "AddedPool", "Ahead", "Align", "Alone", "Always", "Around",
    "Asker", "Attends", "AttentionPool", "Average", "Axial", "Bare", "Bend", "Bidirectional", "Bind", "Block", "Both",
    "Bounded", "BoxDialect", "BoxPlaces", "BoxTables", "Buckets", "Budget", "ByKind", "Candidates", "Canvas", "Carried",
    "Causal", "ClipSines", "ClipTable", "ClsProject", "Coarsened", "CodedMasks", "Connect", "ConvViT", "Corner",
    "CoverTiles", "Cross", "Declares", "Decoder", "Deformable", "Delta", "Detector", "Discrete", "Disparity", "Divided",
    "DynamicNtk", "DynamicTiles", "Edges", "Enclose", "Encode", "EncodePage", "EncodeText", "EncodeVolume", "Encoder",
    "EncoderDecoder", "EndFrames", "EndRows", "Even", "Everything", "Expert", "Experts", "Family", "Find", "First",
    "Fitted", "Flat", "Frames", "Fusion", "GridPool", "Head", "Heat", "JoinTiles", "Labels", "Latent", "Learned",
    "Letterbox", "LinearScaling", "Llama3Scaling", "LongRope", "Longest", "Looks", "LowHigh", "Marks", "MaskDecoder",
    "Masks", "Match", "MeanProject", "Mel", "Merge", "MergeAlike", "MergeFrames", "MergingViT", "Mixer", "Mlp", "Model",
    "MultiVector", "Native", "Norm", "Normed", "Nothing", "Numbered", "Numbers", "PageBias", "PageSight", "PerSecond",
    "Phrases", "Pinpoints", "Pixels", "Placed", "Plain", "Pointing", "Pool", "PoolClips", "PoolSquares", "PoolTime",
    "Position", "Precomputed", "Proof", "Prune", "QFormer", "QueryMatch", "Reader", "Reads", "Recut", "Regions", "Relative",
    "ResNet", "ResNet3d", "Resample", "Resampler", "Resize", "Rope", "RowColumn", "RowEnds", "RowsOfTiles", "Scaling",
    "Scores", "See", "Segment", "Seq2Seq", "Sheet", "Shortest", "Sight", "Signal", "Sines", "Sized", "Slices", "Splice",
    "Step", "StepNtk", "Strides", "Swin", "Table", "Take", "Tally", "Tanh", "TextTower", "TileGrid", "TiledViT", "Times",
    "Told", "TwoMeans", "Unit", "ViT", "Views", "Way", "Window", "WindowedViT", "Windows", "Words", "Writer", "Written",
    "Yarn", "breaks", "override",
]  # fmt: skip
