"""Gradients of a batch, computed by several threads.

On a CPU each thread takes its part of the batch through augmentation, forward and backward pass
alone: no barriers inside the step, so threads that share their cores with other programs do not
wait for one another at every layer. Weights are shared, gradients are added up in a fixed order.
On a GPU there is one part, and threads prepare batches ahead.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from appliance.training.augment import Batch, BatchMaker
from appliance.training.device import Device
from appliance.training.network import Backbone

# Batch normalisation wants at least 16 windows a part.
MOST_PARTS = 4
BATCHES_AHEAD = 4


class Gradients(Protocol):
    """Leaves the gradients of a step in the network and returns the loss (on its device)."""

    def step(self, number: int) -> Tensor: ...


@contextmanager
def gradients(
    network: Backbone, maker: BatchMaker, device: Device, threads: int, first: int
) -> Iterator[Gradients]:
    """The way that suits the device; `first` is the step that will be asked for first."""
    on_cpu = device.torch_device.type == "cpu"
    parts = min(threads, MOST_PARTS, max(1, maker.batch // 16)) if on_cpu else 1
    each = max(1, threads // parts) if on_cpu else 1
    pool = ThreadPoolExecutor(parts if on_cpu else threads, "shard", torch.set_num_threads, (each,))
    try:
        if on_cpu:
            yield _Parts(network, maker, device, pool, parts)
        else:
            yield _Ahead(network, maker, device, pool, first)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Parts:
    def __init__(
        self, network: Backbone, maker: BatchMaker, device: Device, pool: ThreadPoolExecutor, n: int
    ) -> None:
        self._maker, self._device, self._pool = maker, device, pool
        self._replicas = [network]
        for _ in range(n - 1):
            replica = copy.deepcopy(network)
            for own, shared in zip(replica.parameters(), network.parameters(), strict=True):
                own.data = shared.data
            self._replicas.append(replica)

    def step(self, number: int) -> Tensor:
        count = len(self._replicas)
        losses = list(self._pool.map(self._part, [number] * count, range(count)))
        for parameter, *others in zip(*(r.parameters() for r in self._replicas), strict=True):
            assert parameter.grad is not None
            for other in others:
                parameter.grad.add_(other.grad)
        return torch.stack(losses).sum()

    def _part(self, number: int, part: int) -> Tensor:
        count = len(self._replicas)
        batch = self._maker.make(number, part, count)
        loss = batch_loss(self._replicas[part], batch, self._device)
        loss = loss * (len(batch.spectra) / self._maker.batch)
        self._replicas[part].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


class _Ahead:
    def __init__(
        self,
        network: Backbone,
        maker: BatchMaker,
        device: Device,
        pool: ThreadPoolExecutor,
        first: int,
    ) -> None:
        self._network, self._maker, self._device, self._pool = network, maker, device, pool
        self._ahead: deque[Future[Batch]] = deque()
        self._following = first

    def step(self, number: int) -> Tensor:
        while self._following < number + BATCHES_AHEAD:
            self._ahead.append(self._pool.submit(self._maker.make, self._following))
            self._following += 1
        loss = batch_loss(self._network, self._ahead.popleft().result(), self._device)
        self._network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def batch_loss(network: Backbone, batch: Batch, device: Device) -> Tensor:
    """Mean cross entropy with soft targets."""
    spectra = batch.spectra.to(device.torch_device, non_blocking=True)
    targets = batch.targets.to(device.torch_device, non_blocking=True)
    keep = batch.keep.to(device.torch_device, non_blocking=True)
    with device.autocast():
        logits = network(spectra, keep)
    return -(targets * torch.log_softmax(logits.float(), dim=1)).sum(dim=1).mean()
