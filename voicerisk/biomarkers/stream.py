"""Markers of sound that is still coming in.

A stream is one span under a fixed calibration: nothing may depend on sound not yet heard. It works in
steps of at least half a second, and its numbers do not depend on the size of the blocks that are fed.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from voicerisk.audio import (
    AudioSettings,
    Level,
    SpanFrames,
    fixed_scaling,
    frame_rms,
    pcm16,
    window_and_hop,
)
from voicerisk.audio.silence import silent_by_level
from voicerisk.biomarkers.catalogue import markers
from voicerisk.biomarkers.stream_settings import check_audio, stream_audio, stream_markers
from voicerisk.errors import BiomarkerError
from voicerisk.types import Floats

STEP = 25  # frames that are worked on at a time, at least
LONGEST_STEP = 500  # and at most, so that a long block needs no more memory
ROWS_KEPT = 24  # finished frames that smoothing, novelty and the vibrato still look at
CONTOUR_BEFORE = 20  # frames whose pitch the vibrato of a frame looks at
CONTOUR_AFTER = 40
MARGIN_S = 0.5  # of sound kept beside the frames that are finished


class Stream:
    """Takes markers from sound that is fed block by block.

    Equal to ``extract(signal, sample_rate, markers=..., audio=stream.audio)`` on the whole signal.

    Parameters
    ----------
    sample_rate : int
        Hz, at least 8000.
    markers : sequence of str, optional
        Default: all that can be streamed. Flux is centred by the means of the whole span; asking for it is an
        error.
    audio : AudioSettings, optional
        With a fixed calibration, ``normalise = False``, and silence by rule ``energy`` or ``none``. Default:
        `stream_audio`.

    Raises
    ------
    BiomarkerError
        For markers or settings that a stream cannot have.

    Examples
    --------
    >>> import numpy as np
    >>> sound = 0.1 * np.sin(2 * np.pi * 200 * np.arange(16000) / 8000)
    >>> stream = Stream(8000, ["rms_db", "pitch"])
    >>> parts = [stream.feed(block) for block in np.array_split(sound, 7)] + [stream.close()]
    >>> sum(len(part) for part in parts), round(stream.look_ahead_s, 2)
    (98, 0.5)
    """

    def __init__(self, sample_rate: int, markers: Any = None, audio: AudioSettings | None = None) -> None:
        from voicerisk.biomarkers.extract import check_rate

        self.audio = audio or stream_audio()
        self.sample_rate = check_rate(sample_rate)
        self.markers = stream_markers(markers)
        check_audio(self.audio)
        self._window, self._hop = window_and_hop(self.sample_rate)
        self._start()

    @property
    def look_ahead_s(self) -> float:
        """Seconds after the end of its frame when a row is known, besides waiting for a step to fill."""
        return self._delay * self._hop / self.sample_rate

    def _start(self) -> None:
        from voicerisk.biomarkers.change.modulation import envelope_step
        from voicerisk.biomarkers.span import FROM_CHUNKS, needed
        from voicerisk.biomarkers.voicing.path import PathTracker
        from voicerisk.biomarkers.voicing.pitch import PitchSettings
        from voicerisk.biomarkers.voicing.unemphasised import CREST

        catalogue = markers()
        hop_ms = 1000 * self._hop / self.sample_rate
        self._wanted = needed(self.markers, "published")
        self._delay = math.ceil(max(catalogue[name].look_ahead_ms for name in self._wanted) / hop_ms - 1e-9)
        reference = float(self.audio.calibration)
        self._scaling = fixed_scaling(reference)
        self._pitch = PitchSettings()
        self._tracker = PathTracker(CREST * 10 ** (reference / 20), self._hop / self.sample_rate, self._pitch)
        # Sound is forgotten in whole hops and whole places of the envelope.
        self._grain = math.lcm(self._hop, envelope_step(self.sample_rate))
        self._waiting = np.empty(0)
        self._origin = 0  # sample of the stream where the buffers begin
        self._recorded = np.empty(0)
        self._signal = np.empty(0)
        self._sound = np.empty(0)
        self._n_taken = 0  # frames whose own markers are known
        self._n_given = 0  # frames handed out
        self._rows: dict[str, Floats] = {}
        self._first_row = 0
        self._chunks = {name: np.empty(0) for name in FROM_CHUNKS if name in self._wanted}
        self._first_chunk = 0
        self._closed = False

    def feed(self, block: ArrayLike) -> pd.DataFrame:
        """Take the next samples and return the frames that are finished by now, as `extract` does.

        Parameters
        ----------
        block : array of float, shape (n,)
            Mono, full scale = 1; any length, also 0.

        Raises
        ------
        BiomarkerError
            After `close`, or for samples that are not finite, not a vector, or not floats.
        """
        samples = np.asarray(block)
        if self._closed:
            raise BiomarkerError("The stream is closed; open a new one for more sound.")
        if samples.ndim != 1 or (samples.dtype.kind != "f" and len(samples)):
            raise BiomarkerError(
                f"A block of {samples.dtype} and shape {samples.shape} was fed; a vector of floats is needed."
            )
        if not np.isfinite(samples).all():
            bad = int(np.argmin(np.isfinite(samples)))
            raise BiomarkerError(f"The block fed holds {samples[bad]} at sample {bad}; it must be finite.")
        self._waiting = np.concatenate([self._waiting, samples])
        parts = []
        while (ready := self._ready()) >= STEP:
            n = min(ready, LONGEST_STEP)
            # the one sample beyond a frame tells that the span did not end with it
            self._take((self._n_taken + n - 1) * self._hop + self._window + 1 - self._heard())
            parts.append(self._advance(n, last=False))
        return self._table(parts)

    def close(self) -> pd.DataFrame:
        """End the stream and return the frames that were not handed out yet."""
        if self._closed:
            raise BiomarkerError("The stream is closed already.")
        n = self._ready()
        self._take(len(self._waiting))
        self._closed = True
        return self._table([self._advance(n, last=True)])

    def _ready(self) -> int:
        """Frames that are whole but not taken yet."""
        n_samples = self._heard() + len(self._waiting)
        return max(0, (n_samples - self._window - 1) // self._hop + 1) - self._n_taken

    def _heard(self) -> int:
        return self._origin + len(self._signal)

    def _take(self, n: int) -> None:
        """Move `n` waiting samples into the buffers."""
        from voicerisk.biomarkers.voicing.unemphasised import undo_emphasis

        new, self._waiting = self._waiting[:n], self._waiting[n:]
        if not len(new):
            return
        if self.audio.pcm16:
            new, _ = pcm16(new)
        emphasis = float(self.audio.pre_emphasis)
        first = not len(self._recorded)
        before = new[:1] if first else self._recorded[-1:]
        signal = new - emphasis * np.concatenate([before, new[:-1]])
        if emphasis > 0:
            if first:
                signal[0] = (1 - emphasis) * new[0]
                sound = signal.copy()
                sound[0] /= 1 - emphasis
                undo_emphasis(sound, emphasis)
            else:
                sound = np.concatenate([self._sound[-1:], signal])
                undo_emphasis(sound, emphasis)
                sound = sound[1:]
        else:
            signal, sound = new, new
        self._recorded = np.concatenate([self._recorded, new])
        self._signal = np.concatenate([self._signal, signal])
        self._sound = np.concatenate([self._sound, sound])

    def _advance(self, n: int, last: bool) -> dict[str, Floats]:
        """Take the next `n` frames, and return those that are finished."""
        self._take_frames(n, last)
        self._take_chunks(last)
        end = self._n_taken if last else max(self._n_given, self._n_taken - self._delay)
        values = self._finish(end)
        values["frame"] = np.arange(self._n_given, end, dtype=np.float64)
        self._n_given = end
        self._forget()
        return {name: values[name] for name in ("frame", "silent", *self.markers)}

    def _span(self, frames: NDArray[np.int64], silent: NDArray[np.bool_]) -> SpanFrames:
        """Return the buffers as a span with some of its frames."""
        starts = frames * self._hop
        return SpanFrames(
            segment=0,
            start_s=self._origin / self.sample_rate,
            end_s=self._heard() / self.sample_rate,
            first_sample=self._origin,
            signal=self._signal,
            starts=starts - self._origin,
            window=self._window,
            hop=self._hop,
            time_s=(starts + self._window / 2) / self.sample_rate,
            silent=silent,
            level=Level(0, 0.0, 1.0, 1.0, 1.0),
            scaling=self._scaling,
        )

    def _take_frames(self, n: int, last: bool) -> None:
        """Compute what needs nothing but the frame, and move the pitch path on."""
        from voicerisk.biomarkers.span import KEPT_ON_SILENCE, mask_noise, take_local
        from voicerisk.biomarkers.voicing.pitch import pitch_candidates

        frames = self._n_taken + np.arange(n)
        starts = frames * self._hop - self._origin
        recorded = frame_rms(self._recorded, starts, self._window, centred=True)
        silent = silent_by_level(self.audio.rule, np.zeros(n), recorded)
        span = self._span(frames, silent)
        rows = take_local(span, self.sample_rate, self._wanted - {"harmEnergy"}, False, KEPT_ON_SILENCE, None)
        mask_noise(rows, silent, False)
        rows["silent"] = silent.astype(np.float64)
        if "pitch" in self._wanted:
            centres = starts + self._window // 2
            found = pitch_candidates(self._sound, centres, self.sample_rate, self._pitch, self._tracker.least)
            rows["pitch"], rows["height"] = self._tracker.add(found, last)
        for name, values in rows.items():
            self._rows[name] = np.concatenate([self._rows.get(name, np.empty(0)), values])
        self._n_taken += n

    def _take_chunks(self, last: bool) -> None:
        """Take the chunks that are complete by now, and at the end what remains."""
        from voicerisk.biomarkers.change.roughness import Layout, steady_chunks
        from voicerisk.biomarkers.span import of_chunks

        if not self._chunks:
            return
        layout = steady_chunks(self._heard(), self.sample_rate)
        done = self._first_chunk + len(next(iter(self._chunks.values())))
        new = layout.part(done, len(layout.first) - (0 if last else 1))
        here = Layout(new.first - self._origin, new.end - self._origin, new.count)
        for name, column in of_chunks(self._signal, self.sample_rate, here, self._chunks).items():
            self._chunks[name] = np.concatenate([self._chunks[name], column])

    def _on_frames(self, frames: NDArray[np.int64]) -> dict[str, Floats]:
        """Return the markers of chunks on some frames."""
        from voicerisk.biomarkers.change.roughness import between, steady_chunks

        every = steady_chunks(self._heard(), self.sample_rate)
        out = {}
        for name, values in self._chunks.items():
            layout = every.part(self._first_chunk, self._first_chunk + len(values))
            out[name] = between(values, layout, frames * self._hop + self._window / 2)
        return out

    def _finish(self, end: int) -> dict[str, Floats]:
        """Markers of the frames up to `end`, with what lies around them."""
        from voicerisk.biomarkers.change import modulation
        from voicerisk.biomarkers.change.novelty_flux import KERNEL, novelty
        from voicerisk.biomarkers.change.smoothing import median_smooth
        from voicerisk.biomarkers.span import (
            FROM_CONTOUR,
            FROM_ENVELOPE,
            FROM_HARMONICS,
            SMOOTHED_S,
            harmonicity,
            take_local,
        )
        from voicerisk.biomarkers.voicing.harmonics import harmonic_markers

        given, rate = self._n_given, self.sample_rate
        if end == given:
            return {name: np.empty(0) for name in ("silent", *self.markers)}
        rows = slice(given - self._first_row, end - self._first_row)
        frames = np.arange(given, end)
        out = {name: values[rows] for name, values in self._rows.items()}
        silent = out["silent"] > 0
        span = self._span(frames, silent)
        if "dom" in self._wanted:
            half = int(SMOOTHED_S * rate / self._hop) // 2
            low = max(0, given - half)
            around = self._rows["dom"][low - self._first_row : end + half - self._first_row]
            out["dom"] = median_smooth(around, half)[given - low :][: end - given]
        if "pitch" in self._wanted:
            out["pitch"] = np.where(silent, np.nan, out["pitch"])
            out["voiced"] = (out["pitch"] > 0).astype(np.float64)
            out["HNR"] = np.where(silent, np.nan, harmonicity(out["height"]))
            if self._wanted.intersection(FROM_HARMONICS):
                centres = span.starts + self._window // 2
                out |= harmonic_markers(self._sound, centres, out["pitch"], rate, self._pitch)
            if "harmEnergy" in self._wanted:
                out |= take_local(span, rate, frozenset({"harmEnergy"}), False, (), out["pitch"])
        if self._wanted.intersection(FROM_CONTOUR):
            low = max(0, given - CONTOUR_BEFORE) - self._first_row
            contour = self._rows["pitch"][low : end + CONTOUR_AFTER - self._first_row]
            own = np.arange(end - given) + given - self._first_row - low
            found = modulation.pitch_modulation(contour, rate / self._hop, own[~silent])
            for name, values in zip(FROM_CONTOUR, found, strict=True):
                out[name] = values[own]
        if self._chunks:
            for name, values in self._on_frames(frames).items():
                out[name] = np.where(silent, np.nan, values)
        if "novelty" in self._wanted:
            low, high = max(0, given - KERNEL), min(self._n_taken, end + KERNEL)
            starts = np.arange(low, high) * self._hop - self._origin
            heard = np.zeros(high - low, np.bool_)
            heard[given - low : end - low] = ~silent
            values = novelty(self._signal, starts, self._window, rate, heard)
            out["novelty"] = values[given - low : end - low]
        if self._wanted.intersection(FROM_ENVELOPE):
            values_of = modulation.amplitude_modulation(self._signal, rate, span.starts + self._window // 2)
            for name, values in zip(FROM_ENVELOPE, values_of, strict=True):
                out[name] = np.where(silent, np.nan, values)
        return out

    def _table(self, parts: list[dict[str, Floats]]) -> pd.DataFrame:
        """Return finished frames as `extract` does."""
        joined = {
            name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
            for name in ("frame", "silent", *self.markers)
        }
        frame = joined.pop("frame")
        head = {
            "segment": np.zeros(len(frame), np.int32),
            "frame": frame.astype(np.int32),
            "time_s": (frame * self._hop + self._window / 2) / self.sample_rate,
            "silent": joined.pop("silent") > 0,
        }
        return pd.DataFrame(head | joined)

    def _forget(self) -> None:
        """Drop sound and rows that no later frame looks at."""
        margin = math.ceil(MARGIN_S * self.sample_rate)
        origin = max(0, self._n_given * self._hop - margin) // self._grain * self._grain
        drop = origin - self._origin
        if drop > 0:
            self._recorded = self._recorded[drop:].copy()
            self._signal = self._signal[drop:].copy()
            self._sound = self._sound[drop:].copy()
            self._origin = origin
        keep = max(0, self._n_given - ROWS_KEPT)
        for name in self._rows:
            self._rows[name] = self._rows[name][keep - self._first_row :].copy()
        if self._chunks:
            from voicerisk.biomarkers.change.roughness import steady_chunks

            layout = steady_chunks(self._heard(), self.sample_rate)
            at = self._n_given * self._hop + self._window / 2
            first = int(np.searchsorted((layout.first + layout.end) / 2, at)) - 1
            for name, values in self._chunks.items():
                self._chunks[name] = values[max(0, first - self._first_chunk) :].copy()
            self._first_chunk = max(self._first_chunk, first)
        self._first_row = keep
