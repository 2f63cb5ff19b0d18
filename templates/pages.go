package templates

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"
)

//go:embed pages
var pageFiles embed.FS

// oneClickField and its value are what a mailbox provider posts; the page's button posts the same (RFC 8058 §3.2).
const (
	oneClickField = "List-Unsubscribe"
	oneClickValue = "One-Click"
)

// UnsubscribeData fills the page that asks once before it stops something.
type UnsubscribeData struct {
	Language      string // BCP 47; English where there are no words
	Sender        string
	Topic         string // name of the topic; empty means all marketing
	MaskedAddress string // see Mask; may be empty
	Action        string // path to post to: that of the page itself
}

// UnsubscribePage writes the page behind an unsubscribe link. It holds one form with one button, and showing it changes
// nothing.
func UnsubscribePage(w io.Writer, d UnsubscribeData) error {
	words := wordsFor(d.Language)
	v := newPage(words, d.Sender, words.Pages.StopTitle)
	v.What = stopped(words.Pages.StopTopic, words.Pages.StopAll, d.Sender, d.Topic)
	v.MaskedAddress, v.Action, v.Label = clean(d.MaskedAddress), d.Action, words.Pages.StopButton
	v.FieldName, v.FieldValue = oneClickField, oneClickValue
	return v.write(w, "unsubscribe.html")
}

// DoneData fills the page that says what was stopped.
type DoneData struct {
	Language string
	Sender   string
	Topic    string    // empty means all marketing
	At       time.Time // when the opt-out took effect
	InFlight int       // messages that were already on their way then
}

// DonePage writes the answer to an opt-out: since when it holds, what stopped and what continues.
func DonePage(w io.Writer, d DoneData) error {
	words := wordsFor(d.Language)
	v := newPage(words, d.Sender, fill(words.Pages.DoneTitle, "time", words.moment(d.At)))
	v.What = stopped(words.Pages.DoneTopic, words.Pages.DoneAll, d.Sender, d.Topic)
	v.InFlight = d.InFlight > 0
	return v.write(w, "done.html")
}

func stopped(topicSentence, allSentence, sender, topic string) string {
	if topic == "" {
		return fillClean(allSentence, "sender", sender)
	}
	return fillClean(topicSentence, "sender", sender, "topic", topic)
}

// ConfirmData fills the page behind the link of an erasure confirmation.
type ConfirmData struct {
	Language      string
	Sender        string
	MaskedAddress string // may be empty
	Action        string // path to post to
	Reference     string // of the case; may be empty
}

// ConfirmPage writes the page that asks before data is deleted. Its form posts confirm=delete.
func ConfirmPage(w io.Writer, d ConfirmData) error {
	words := wordsFor(d.Language)
	v := newPage(words, d.Sender, words.Pages.EraseTitle)
	v.What = fillClean(words.Pages.EraseText, "sender", d.Sender)
	v.MaskedAddress, v.Action, v.Label = clean(d.MaskedAddress), d.Action, words.Pages.EraseButton
	v.FieldName, v.FieldValue = "confirm", "delete"
	v.Reference = reference(words, d.Reference)
	return v.write(w, "erase.html")
}

// ConfirmDoneData fills the answer to that form.
type ConfirmDoneData struct {
	Language  string
	Sender    string
	At        time.Time // when the confirmation was received
	Reference string
}

// ConfirmDonePage writes the answer to a confirmed erasure.
func ConfirmDonePage(w io.Writer, d ConfirmDoneData) error {
	words := wordsFor(d.Language)
	v := newPage(words, d.Sender, words.Pages.ErasedTitle)
	v.What = fill(words.Pages.ErasedText, "time", words.moment(d.At))
	v.After = fillClean(words.Pages.ErasedAfter, "sender", d.Sender)
	v.Reference = reference(words, d.Reference)
	return v.write(w, "erased.html")
}

func reference(w *words, ref string) string {
	if ref == "" {
		return ""
	}
	return fillClean(w.Pages.Reference, "reference", ref)
}

// ProblemData fills the pages for a link that is not ours and for a moment in which nothing can be recorded.
type ProblemData struct {
	Language string
	Sender   string // may be empty
	Contact  string // the unsubscribe address; may be empty
}

// LinkProblemPage writes what to do about a link that was cut off or changed. It goes with status 404.
func LinkProblemPage(w io.Writer, d ProblemData) error {
	p := wordsFor(d.Language).Pages
	return notice(w, d, p.ProblemTitle, p.ProblemCut, p.ProblemWrite)
}

// TryAgainPage says that nothing has changed and how to go on. It goes with status 503.
func TryAgainPage(w io.Writer, d ProblemData) error {
	p := wordsFor(d.Language).Pages
	return notice(w, d, p.AgainTitle, p.AgainText, p.AgainWrite)
}

func notice(w io.Writer, d ProblemData, title, what, write string) error {
	v := newPage(wordsFor(d.Language), d.Sender, title)
	v.What = what
	if address := clean(d.Contact); address != "" {
		before, after, _ := strings.Cut(write, "{contact}")
		v.Contact = &contact{before, address, "mailto:" + url.PathEscape(address), after}
	}
	return v.write(w, "notice.html")
}

// page is what the files in pages/ can show.
type page struct {
	Words                      *words
	Style                      template.CSS
	Title, Sender, What, After string
	MaskedAddress, Reference   string
	Action, Label              string
	FieldName, FieldValue      string
	InFlight                   bool
	Contact                    *contact
}

type contact struct {
	Before, Address, Link, After string
}

func newPage(w *words, sender, title string) *page {
	return &page{Words: w, Style: template.CSS(style()), Title: title, Sender: clean(sender)}
}

func (v *page) write(w io.Writer, file string) error {
	if err := pageTemplates().ExecuteTemplate(w, file, v); err != nil {
		return fmt.Errorf("writing the page %s: %w", file, err)
	}
	return nil
}

var pageTemplates = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(pageFiles, "pages/*.html"))
})

var style = sync.OnceValue(func() string {
	raw, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(raw)
})

// StyleHash returns the source expression for the style-src of a Content-Security-Policy that lets the pages' one style
// element through: 'sha256-…', with its quotes.
func StyleHash() string {
	sum := sha256.Sum256([]byte(style()))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
