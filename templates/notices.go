package templates

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// NoticeKind is what a page without a button has to say.
type NoticeKind int

// The kinds, each with the HTTP status that it goes with.
const (
	NoticeBadLink  NoticeKind = iota + 1 // 404: a link that was cut off, changed or is not ours
	NoticeTryAgain                       // 503: nothing could be recorded, and nothing has changed
	NoticeExpired                        // 410: a confirmation that came too late
	NoticeUsed                           // 200: a confirmation that was used, or whose case is closed
	NoticeHome                           // 200: what this host is for
	NoticeReadOnly                       // 405: a method that does nothing here
	NoticeTooOften                       // 429: more was asked for from a network than is taken
)

// NoticeData fills a page that only tells something.
type NoticeData struct {
	Kind      NoticeKind
	Language  string // BCP 47; English where there are no words
	Sender    string // may be empty
	Contact   string // the unsubscribe address, for NoticeBadLink, NoticeTryAgain and NoticeHome; may be empty
	Days      int    // how long the link was good, for NoticeExpired
	Reference string // of the case, for NoticeUsed; may be empty
	Ask       string // path of the page that mails a new link, for all but NoticeTryAgain and NoticeTooOften; may be empty
}

// NoticePage writes what happened and what to do next. It fails for a kind that there is not.
func NoticePage(w io.Writer, d NoticeData) error {
	words := wordsFor(d.Language)
	said, ok := d.said(words.Pages)
	if !ok {
		return fmt.Errorf("writing a notice: there is no kind %d", d.Kind)
	}
	v := newPage(words, d.Sender, said.title)
	v.What, v.After = said.text, said.more
	v.Reference = reference(words, d.Reference)
	if d.Kind != NoticeTryAgain && d.Kind != NoticeTooOften {
		v.Way = words.ask(d.Ask)
	}
	v.Contact = contactIn(said.write, clean(d.Contact))
	return v.write(w, "notice.html")
}

// said is the words of a notice. write is a sentence with {contact} in it.
type said struct{ title, text, more, write string }

func (d NoticeData) said(p pageWords) (said, bool) {
	switch d.Kind {
	case NoticeBadLink:
		return said{title: p.ProblemTitle, text: p.ProblemCut, write: p.ProblemWrite}, true
	case NoticeTryAgain:
		return said{title: p.AgainTitle, text: p.AgainText, write: p.AgainWrite}, true
	case NoticeTooOften:
		return said{title: p.OftenTitle, text: p.OftenText}, true
	case NoticeExpired:
		return said{title: p.ExpiredTitle, text: fill(p.ExpiredText.of(d.Days), "days", strconv.Itoa(d.Days)), more: p.ExpiredAgain}, true
	case NoticeUsed:
		return said{title: p.UsedTitle, text: p.UsedText}, true
	case NoticeHome:
		return said{title: p.HomeTitle, text: p.HomeText, write: p.HomeWrite}, true
	case NoticeReadOnly:
		return said{title: p.ReadOnlyTitle, text: p.ReadOnlyText, more: p.ReadOnlyNext}, true
	}
	return said{}, false
}

// contact is a sentence around an address that can be written to.
type contact struct {
	Before, Address, Link, After string
}

func contactIn(sentence, address string) *contact {
	if sentence == "" || address == "" {
		return nil
	}
	before, after, _ := strings.Cut(sentence, "{contact}")
	return &contact{before, address, "mailto:" + url.PathEscape(address), after}
}

// FailedText is one line of plain text for the moment in which a page itself cannot be written, with status 500.
func FailedText(language string) string { return wordsFor(language).Pages.Failed }
