package templates

import (
	"io"
	"time"
)

// UnusedData fills the pages on which somebody says that they use a service no more.
type UnusedData struct {
	Language      string // BCP 47; English where there are no words
	Sender        string
	MaskedAddress string // see Mask; may be empty
	Action        string // path to post to: that of the page itself
	Service       string
	At            time.Time // when it was said
}

// UnusedPage writes the page with the button that begins a check. Its form posts unused=yes.
func UnusedPage(w io.Writer, d UnusedData) error {
	v := d.page(func(s sharingWords) string { return s.UnusedTitle })
	v.MaskedAddress = clean(d.MaskedAddress)
	v.What = fillClean(v.Words.Sharing.UnusedText, "service", d.Service)
	v.Lines = []string{v.Words.Sharing.UnusedKeeps}
	v.Button = &form{Action: d.Action, Name: "unused", Value: "yes", Label: v.Words.Sharing.UnusedButton}
	return v.write(w, "ask.html")
}

// UnusedAskedPage says that the check is under way, and that alerts go on.
func UnusedAskedPage(w io.Writer, d UnusedData) error {
	v := d.page(func(s sharingWords) string { return s.AskedTitle })
	v.What = fill(v.Words.Sharing.AskedText, "time", v.Words.clock(d.At), "service", clean(d.Service))
	v.After = v.Words.Sharing.AskedAfter
	return v.write(w, "notice.html")
}

// UnusedNonePage says that there is nothing to check.
func UnusedNonePage(w io.Writer, d UnusedData) error {
	v := d.page(func(s sharingWords) string { return s.NoneTitle })
	v.What = fillClean(v.Words.Sharing.NoneText, "service", d.Service)
	return v.write(w, "notice.html")
}

func (d UnusedData) page(title func(sharingWords) string) *page {
	words := wordsFor(d.Language)
	return newPage(words, d.Sender, fillClean(title(words.Sharing), "service", d.Service))
}
