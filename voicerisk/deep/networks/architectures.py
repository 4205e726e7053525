"""The two networks of the paper, from vectors to logits. Sizes: `voicerisk.text.settings.NetworkSettings`."""

import torch
from torch import Tensor, nn

from voicerisk.text.settings import NetworkSettings


class _SequenceHead(nn.Module):
    """LSTM over steps, its last state through dropout and a hidden layer to one logit a class."""

    def __init__(self, inputs: int, classes: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, settings.lstm, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(settings.lstm, settings.hidden),
            nn.ReLU(),
            nn.Linear(settings.hidden, classes),
        )

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        # A session of which nothing is left has the LSTM's first state, 0.
        present = lengths > 0
        state = steps.new_zeros(len(lengths), self.lstm.hidden_size)
        if present.any():
            packed = nn.utils.rnn.pack_padded_sequence(
                steps[present], lengths[present], batch_first=True, enforce_sorted=False
            )
            state = state.masked_scatter(present.unsqueeze(1), self.lstm(packed)[1][0][-1])
        return self.mlp(state)


class MessageNetwork(nn.Module):
    """T-MLP without its encoder: a dense layer for each message, LSTM with dropout, MLP.

    Parameters
    ----------
    dimension : int
        Length of a message's embedding.
    classes : int
    settings : NetworkSettings
    """

    def __init__(self, dimension: int, classes: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.dense = nn.Sequential(
            nn.Linear(dimension, settings.dense), nn.ReLU(), nn.Dropout(settings.dropout)
        )
        self.head = _SequenceHead(settings.dense, classes, settings)

    def forward(self, messages: Tensor, lengths: Tensor) -> Tensor:
        """Return logits, shape (b, classes), of embeddings of shape (b, messages, dimension)."""
        return self.head(self.dense(messages), lengths)


class WordNetwork(nn.Module):
    """W2V-MLP: frozen word vectors, convolution, maximum over neighbours, dropout, LSTM, MLP.

    Parameters
    ----------
    vectors : Tensor, shape (v + 1, d)
        Row 0 is all zeros: padding and words without a vector.
    classes : int
    settings : NetworkSettings
    """

    def __init__(self, vectors: Tensor, classes: int, settings: NetworkSettings) -> None:
        super().__init__()
        # Not learned, and words may be others when sessions are scored: no part of the saved weights.
        self.register_buffer("vectors", vectors, persistent=False)
        self.convolution = nn.Conv1d(
            vectors.shape[1], settings.filters, settings.kernel, padding=settings.kernel // 2
        )
        self.pool = settings.pool
        self.dropout = nn.Dropout(settings.dropout)
        self.head = _SequenceHead(settings.filters, classes, settings)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Return logits, shape (b, classes), of word numbers of shape (b, words)."""
        missing = -words.shape[1] % self.pool
        words = nn.functional.pad(words, (0, missing))
        features = torch.relu(self.convolution(self.vectors[words].transpose(1, 2)))
        # Behind the last word the convolution still sees it; what it says there must not depend on padding.
        inside = torch.arange(words.shape[1]) < lengths.unsqueeze(1)
        features = features * inside.unsqueeze(1)
        pooled = nn.functional.max_pool1d(features, self.pool).transpose(1, 2)
        return self.head(self.dropout(pooled), (lengths + self.pool - 1) // self.pool)
