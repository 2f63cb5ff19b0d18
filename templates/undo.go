package templates

import (
	"io"
	"strings"
	"time"
)

// UndoData fills the page behind the link that takes an opt-out by mail back.
type UndoData struct {
	Language      string // BCP 47; English where there are no words
	Sender        string
	MaskedAddress string // see Mask; may be empty
	Action        string // path to post to: that of the page itself
	Stopped       Stops
	At            time.Time // when it stopped
	Until         time.Time // of the link
}

// UndoPage writes what was stopped and the button that takes it back. Its form posts undo=yes.
func UndoPage(w io.Writer, d UndoData) error {
	words := wordsFor(d.Language)
	v := newPage(words, d.Sender, words.Letters.UndoTitle)
	v.What = fill(words.Letters.UndoText, "date", words.day(d.At), "time", words.clock(d.At))
	for _, line := range strings.Split(words.list(d.Stopped), "\n") {
		v.Rows = append(v.Rows, row{Text: strings.TrimPrefix(line, "- ")})
	}
	v.MaskedAddress, v.After, v.Until = clean(d.MaskedAddress), words.Letters.UndoEffect, fill(words.Letters.UndoUntil, "date", words.day(d.Until))
	v.Button = &form{Action: d.Action, Name: "undo", Value: "yes", Label: words.Letters.UndoButton}
	return v.write(w, "undo.html")
}

// UndoneKind is what became of a link that takes an opt-out back.
type UndoneKind int

// The kinds: it was taken back just now; the link came too late; nothing is left to take back.
const (
	UndoneNow UndoneKind = iota
	UndoneLate
	UndoneUsed
)

// UndonePage says so. at is when it was taken back, or until when the link was good; ask is the path of the page that
// mails a new link, where all can be chosen.
func UndonePage(w io.Writer, language, sender string, kind UndoneKind, at time.Time, ask string) error {
	words := wordsFor(language)
	l := words.Letters
	title, what, after := l.UndoUsedTitle, l.UndoUsedText, ""
	switch kind {
	case UndoneNow:
		title, what, after = l.UndoneTitle, fill(l.UndoneText, "time", words.clock(at)), l.UndoneStill
	case UndoneLate:
		title, what, after = l.UndoLateTitle, fill(l.UndoLateText, "date", words.day(at)), l.UndoLateAgain
	}
	v := newPage(words, sender, title)
	v.What, v.After = what, after
	if kind != UndoneNow {
		v.Way = words.ask(ask)
	}
	return v.write(w, "notice.html")
}
