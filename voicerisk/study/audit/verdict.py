"""The verdict of an audit in a word and a sentence, and what the published protocol's rules do."""

import pandas as pd


def verdict(own: pd.DataFrame) -> tuple[str, str]:
    """Return the verdict of an audit in a word and a sentence.

    Parameters
    ----------
    own : DataFrame
        The findings that concern the study itself, with a column severity.

    Examples
    --------
    >>> verdict(pd.DataFrame({"severity": ["bias", "note"]}))
    ('Bias', 'No leak was found, but 1 reason why a number is not what it says.')
    """
    leaks, biases = (int((own["severity"] == name).sum()) for name in ("leak", "bias"))
    if leaks:
        count = f"{leaks} leak{'s' if leaks > 1 else ''}"
        return "Leak", f"{count} in the study: do not trust the honest numbers until mended."
    if biases:
        count = f"{biases} reason{'s' if biases > 1 else ''}"
        return "Bias", f"No leak was found, but {count} why a number is not what it says."
    return "Clean", "No leak and no bias were found in the study and its honest pipeline."


def ladder_sentences(ladder: pd.DataFrame) -> list[str]:
    """Say what the published protocol's rules do to this study's numbers.

    Parameters
    ----------
    ladder : DataFrame
        `audit/ladder.csv`, the honest rung first.
    """
    honest, last = ladder.iloc[0], ladder.iloc[-1]
    of = "calls" if last["unit"] == "call" else "frames"
    said = [
        f"The honest protocol has an AUROC of calls of {honest['auroc_call']:.2f}. With every rule of the "
        f"published one it prints {last['auroc']:.2f} (of {of})."
    ]
    if pd.notna(last["null_mean_kfold"]) and pd.notna(honest["null_mean_kfold"]):
        said.append(
            "On shuffled outcomes, where there is nothing to find, they print "
            f"{honest['null_mean_kfold']:.2f} and {last['null_mean_kfold']:.2f} on average; 0.50 is right."
        )
    return said
