"""Settings: environment variables `HOLOTYPE_*`, overridden by command-line options.

Built in the composition root of each command (`Settings.load(...)`), never at import.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from holotype.errors import UsageError
from holotype.history import DEFAULT_LIMITS, Limits
from holotype.references import MAX_META_KEYS

DEFAULT_BACKBONE = "vit_small_patch14_dinov2.lvd142m"
GALLERY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class Pooling(StrEnum):
    """How a backbone's output becomes one vector."""

    CLS = "cls"
    """The class token (a CNN has none: its own global pooling is used)."""
    MEAN = "mean"
    """Mean over patch tokens or the feature map."""
    CLS_MEAN = "cls+mean"
    """Class token and mean patch token, concatenated: 2 D."""


class Device(StrEnum):
    """Where the backbone runs."""

    AUTO = "auto"
    """CUDA, then MPS, then CPU."""
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


class Precision(StrEnum):
    """Arithmetic of the forward pass."""

    AUTO = "auto"
    """bf16 autocast on CUDA, fp32 elsewhere (bf16 on a CPU without it is 6 times slower)."""
    FP32 = "fp32"
    BF16 = "bf16"


_Choice = TypeVar("_Choice", bound=StrEnum)


def one_of(kind: type[_Choice], value: str) -> _Choice:
    """A choice by its word.

    Raises:
        UsageError: there is no such choice; the message names those that there are.
    """
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"{value!r} is none of {', '.join(kind)}") from None


def default_home() -> Path:
    """The user's data folder for Holotype.

    Raises:
        UsageError: this user has no home.
    """
    from platformdirs import user_data_path

    try:
        return user_data_path("holotype", appauthor=False)
    except RuntimeError as error:
        raise UsageError(
            "this user has no home directory to keep galleries in: name a folder for them with "
            "HOLOTYPE_HOME or --home"
        ) from error


class Settings(BaseSettings):
    """Everything that can be set. Field `x` is environment variable `HOLOTYPE_X`."""

    model_config = SettingsConfigDict(
        env_prefix="HOLOTYPE_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    # The encoder. What of the first four is not given is the gallery's, where there is one
    # (`holotype.gallery_encoder`): what follows is for a gallery that is yet to be made.
    backbone: str = DEFAULT_BACKBONE
    """Any timm name."""
    checkpoint: Path | None = None
    """Weights from a file instead of the hub."""
    image_size: int | None = Field(default=None, ge=14, le=4096)
    """Side of the network input, pixels; None: the backbone's native size (518 for DINOv2)."""
    pooling: Pooling = Pooling.CLS
    device: Device = Device.AUTO
    precision: Precision = Precision.AUTO
    batch_size: int | None = Field(default=None, ge=1, le=4096)
    """Images per forward pass; None: by device (`Encoder.batch_size`). Halved and retried when
    the GPU runs out of memory."""
    compile: bool = False
    """Compile the network for whole batches: a minute at the start, for long runs on a GPU. No
    part of the fingerprint: vectors differ by rounding alone."""
    onnx: bool = True
    """Run the encoder from its export where this machine has no GPU, and make that export
    (`holotype.encoder.exports`). Needs the extra `onnx`."""
    workers: int | None = Field(default=None, ge=1, le=256)
    """Decoding threads; None: the number of cores."""

    max_megapixels: int | None = Field(default=None, ge=1, le=10_000)
    """Largest picture that is decoded, millions of pixels; None: 89. Of a JPEG, which is decoded at
    a fraction of its size, those that are needed: one of four times as many is read."""

    thumbnail_px: int | None = Field(default=None, ge=32, le=2048)
    """Longest side of the thumbnail that a reference keeps, pixels; None: 512. Those that were made
    before stay as they are."""

    # The store
    home: Path = Field(default_factory=default_home)
    """Where the embedded store lives."""
    gallery: str = "default"
    min_free_mb: int = Field(default=256, ge=0, le=1 << 20)
    """MiB that stay free on the disk of the embedded store: a write that would take them is
    refused. Removing goes on."""
    max_meta_keys: int = Field(default=MAX_META_KEYS, ge=1, le=1000)
    """Metadata keys of one gallery; what would bring more is refused."""
    history_days: int = Field(default=DEFAULT_LIMITS.days, ge=0, le=36_500)
    """How long what was done to a gallery is told and can be undone; 0: not at all."""
    history_actions: int = Field(default=DEFAULT_LIMITS.actions, ge=1, le=1_000_000)
    """How many actions; the oldest are forgotten first."""
    history_removed: int = Field(default=DEFAULT_LIMITS.removed, ge=0, le=10_000_000)
    """Removed references that are kept, to come back when that is undone."""
    history_mb: int = Field(default=DEFAULT_LIMITS.megabytes, ge=0, le=1 << 20)
    """MiB of such references, vectors and thumbnails."""
    qdrant_url: str | None = None
    """A Qdrant server instead of the embedded store."""
    qdrant_api_key: SecretStr | None = None
    qdrant_grpc: bool = False
    """gRPC instead of REST for the calls that have it."""
    qdrant_grpc_port: int = Field(default=6334, ge=1, le=65535)
    """Port of gRPC on the host of `qdrant_url`."""
    qdrant_timeout: float = Field(default=30.0, gt=0)
    """Seconds per request."""
    qdrant_nodes: str | None = None
    """URLs of all nodes of a cluster, with commas between them: to compare and back up replicas.
    None: the hosts by which the nodes know each other, at the port of `qdrant_url`."""
    qdrant_proxy: bool = False
    """Ask the server through the proxies of the environment (HTTP_PROXY and the like)."""
    qdrant_shards: int = Field(default=1, ge=1)
    qdrant_replicas: int = Field(default=1, ge=1)

    # The service, seen by a command
    server: str | None = None
    """URL of a running service that commands should talk to."""
    server_timeout: float = Field(default=600.0, gt=0)
    """Seconds that commands wait for an answer of a service: 64 large images may take minutes on a
    processor, and others may be before them."""
    api_key: SecretStr | None = None
    """Key that commands send to a service."""

    # The service itself
    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback takes keys."""
    port: int = Field(default=8000, ge=0, le=65535)
    """0: any free port."""
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/\s?#@]+(/[^\s?#]*)?$")
    """How browsers address the service, where that is through a proxy: `https://HOST/PREFIX`."""
    api_keys: SecretStr | None = None
    """`read:KEY,write:KEY,...`; who writes may also read (see `classify.service.keys`)."""
    max_body_mb: int = Field(default=64, ge=1, le=4096)
    """Largest request body, MiB."""
    max_connections: int = Field(default=512, ge=2, le=100_000)
    """Connections at a time: beyond, those that ask nothing are closed, then requests refused."""
    client_timeout: float = Field(default=15.0, gt=0, le=3600)
    """Seconds that a client may keep the service waiting: for the head of a request, for each
    next 16 KiB of its body, for taking an answer, and for the next request on a connection."""
    max_images: int = Field(default=64, ge=1, le=1000)
    """Images, or vectors, in one request."""
    queue_length: int = Field(default=256, ge=1, le=100_000)
    """Images that are accepted and not answered yet; more are refused with 503."""
    batch_window_ms: float = Field(default=2.0, ge=0, le=1000)
    """How long an idle encoder waits for a second image before it starts with one."""
    keep_queries: int = Field(default=0, ge=0, le=100_000)
    """Queries in doubt that are kept for review, the oldest dropped first; 0 keeps none."""
    originals: str | None = None
    """Folders, with `:` between them (`;` on Windows), in which the service may read the files of
    references to show them at full size. None: it shows thumbnails alone."""

    @field_validator("checkpoint", "home")
    @classmethod
    def _expanded(cls, value: Path | None) -> Path | None:
        # Shells expand a tilde in a word of its own; nobody does in a file of settings.
        try:
            return None if value is None else value.expanduser()
        except RuntimeError as error:
            raise ValueError("there is no such user's home: write the whole path") from error

    @field_validator("gallery")
    @classmethod
    def _gallery_name(cls, value: str) -> str:
        if not GALLERY_NAME.fullmatch(value):
            raise ValueError(
                "letters, digits, '_' and '-' are allowed, 63 at most, starting with a letter "
                "or digit"
            )
        return value

    @property
    def history(self) -> Limits:
        """How much of the past is kept."""
        return Limits(
            self.history_days, self.history_actions, self.history_removed, self.history_mb
        )

    @classmethod
    def load(cls, **options: Any) -> Settings:
        """Environment, then the options that were given (None: not given).

        Raises:
            UsageError: a value is out of range; the message names the setting.
        """
        try:
            return cls(**{name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            raise UsageError(
                f"setting {name} (--{name.replace('_', '-')} or HOLOTYPE_{name.upper()}) "
                f"is not usable: {first['msg']} (given: {first.get('input')!r})"
            ) from error


class GivenSettings(TypedDict, total=False):
    """Those of `Settings` that a program gives to `holotype.open`, all of them optional."""

    backbone: str
    checkpoint: str | Path
    image_size: int
    pooling: str
    device: str
    precision: str
    batch_size: int
    compile: bool
    onnx: bool
    workers: int
    max_megapixels: int
    thumbnail_px: int
    home: str | Path
    min_free_mb: int
    max_meta_keys: int
    history_days: int
    history_actions: int
    history_removed: int
    history_mb: int
    qdrant_url: str
    qdrant_api_key: str
    qdrant_grpc: bool
    qdrant_grpc_port: int
    qdrant_timeout: float
    qdrant_nodes: str
    qdrant_proxy: bool
    qdrant_shards: int
    qdrant_replicas: int
    server: str
    server_timeout: float
    api_key: str
