"""Container images with a model in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from ..names import check_name
from ..options import DeployOptions
from ..progress import Progress
from .deployed import Deployed
from .deploying import Deploying


class Images(Deploying):
    """Operations that build an image."""

    def build_model(
        self,
        name: str,
        version: object,
        model_data_path: str | Path,
        base_image: str = "default",
        container_registry: str | None = None,
        pkgs_to_install: Sequence[str] | None = None,
        *,
        model_class: str = "",
    ) -> str:
        """Build a container image with a model in it; return its name, which `deploy_model` takes.

        `model_data_path`, a folder or a file, becomes /model, the working directory of its replicas.
        `model_class`, "module:Class", is found there, made without arguments, and asked: by its
        `predict(inputs)`, or the method that a `clipper_container.ModelContainerBase` has for the input type.
        An image of your own, upon one of Clipper Lab's, may name it as CLIPPER_MODEL. `container_registry` is
        where the image is pushed. Needs an engine, and no cluster. Raises BadRequest or ClusterError.

        >>> image = conn.build_model("ocr", 1, "model", model_class="ocr:Reader", pkgs_to_install=["pillow"])
        >>> deployed = conn.deploy_model("ocr", 1, "bytes", image)
        """
        from ..images.model import build_with_model

        check_name("model", name)
        check_name("version", str(version))
        with Progress(f"Building {name}:{version}") as progress:
            return build_with_model(
                f"{self.cm.cluster_name}-{name}:{version}",
                base_image,
                Path(model_data_path),
                packages=pkgs_to_install or (),
                model_class=model_class,
                registry=container_registry,
                say=lambda words: progress.say(words[:90]),
            )

    def build_and_deploy_model(
        self,
        name: str,
        version: object,
        input_type: str,
        model_data_path: str | Path,
        base_image: str = "default",
        labels: Sequence[str] | None = None,
        container_registry: str | None = None,
        num_replicas: int = 1,
        batch_size: int = -1,
        pkgs_to_install: Sequence[str] | None = None,
        *,
        model_class: str = "",
        example_input: object | None = None,
        size: str | None = None,
        **options: Unpack[DeployOptions],
    ) -> Deployed:
        """`build_model` and `deploy_model`. Raises what the two raise.

        >>> deployed = conn.build_and_deploy_model("ocr", 2, "bytes", "model", model_class="ocr:Reader")
        """
        image = self.build_model(
            *(name, version, model_data_path, base_image, container_registry, pkgs_to_install),
            model_class=model_class,
        )
        return self.deploy_model(
            *(name, version, input_type, image, labels, num_replicas, batch_size),
            example_input=example_input,
            size=size,
            **options,
        )
