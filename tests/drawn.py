"""What a reader asks of every panel of a figure."""


def labelled(figure):
    """Every panel says what its axes show, and of how many sources or of what."""
    for axis in figure.axes:
        if axis.get_label() == "<colorbar>":
            assert axis.get_ylabel()
            continue
        assert axis.get_xlabel() or axis.get_xticklabels()
        assert axis.get_ylabel()
        assert axis.get_title()


def words(figure):
    """All that is written in a figure."""
    texts = [text.get_text() for text in figure.texts]
    if figure._suptitle is not None:
        texts.append(figure._suptitle.get_text())
    for axis in figure.axes:
        texts += [axis.get_title(), axis.get_xlabel(), axis.get_ylabel()]
        texts += [text.get_text() for text in axis.texts]
        texts += [label.get_text() for label in (*axis.get_xticklabels(), *axis.get_yticklabels())]
        legend = axis.get_legend()
        texts += [text.get_text() for text in legend.get_texts()] if legend else []
    return " ".join(texts)
