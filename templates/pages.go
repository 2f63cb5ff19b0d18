package templates

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
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
	v.MaskedAddress = clean(d.MaskedAddress)
	v.Button = &form{Action: d.Action, Name: oneClickField, Value: oneClickValue, Label: words.Pages.StopButton}
	if d.Topic != "" {
		v.Forms = []form{{Action: d.Action, Name: oneClickField, Value: oneClickValue, Label: words.Pages.ChoicesAllButton, Quiet: true, Fields: []HiddenField{{"scope", "all"}}}}
	}
	return v.write(w, "unsubscribe.html")
}

// DoneData fills the page that says what was stopped.
type DoneData struct {
	Language string
	Sender   string
	Topic    string    // empty means all marketing
	At       time.Time // when the opt-out took effect, which may be long ago
	InFlight int       // messages that were already on their way then
	Choices  string    // path of the page with everything else; left out where all is stopped, and may be empty
	Already  bool      // by an earlier opt-out
	Number   string    // reference; may be empty
	Fresh    string    // path that mails a link with which it can be taken back; may be empty
}

// DonePage writes the answer to an opt-out: since when it holds, what stopped, what continues, and where to stop more.
func DonePage(w io.Writer, d DoneData) error {
	words := wordsFor(d.Language)
	title := words.Pages.DoneTitle
	if d.Already {
		title = words.Centre.AlreadyTitle
	}
	v := newPage(words, d.Sender, title)
	v.Reference, v.Fresh = reference(words, d.Number), fresh(words, d.Fresh)
	v.What = stopped(words.Pages.DoneTopic, words.Pages.DoneAll, d.Sender, d.Topic)
	v.After, v.InFlight = fill(words.Pages.DoneSince, "time", words.moment(d.At), "date", words.date(d.At)), d.InFlight > 0
	if d.Topic != "" {
		v.Choices = d.Choices
	}
	return v.write(w, "done.html")
}

// fresh is the button that mails a link to the address on file.
func fresh(w *words, path string) *form {
	if path == "" {
		return nil
	}
	return &form{Action: path, Name: FieldFresh, Value: "yes", Label: w.Centre.FreshButton, Quiet: true}
}

// FieldFresh with the value "yes" is what the button posts that mails a link.
const FieldFresh = "fresh"

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
	v.MaskedAddress, v.Reference = clean(d.MaskedAddress), reference(words, d.Reference)
	v.Button = &form{Action: d.Action, Name: "confirm", Value: "delete", Label: words.Pages.EraseButton}
	return v.write(w, "erase.html")
}

// ConfirmDoneData fills the answer to that form.
type ConfirmDoneData struct {
	Language  string
	Sender    string
	At        time.Time // when the confirmation was received
	Reference string
	Status    string // path of the page that tells where it stands; may be empty
}

// ConfirmDonePage writes the answer to a confirmed erasure.
func ConfirmDonePage(w io.Writer, d ConfirmDoneData) error {
	words := wordsFor(d.Language)
	v := newPage(words, d.Sender, words.Pages.ErasedTitle)
	v.What = fill(words.Pages.ErasedText, "time", words.moment(d.At))
	v.After = fillClean(words.Pages.ErasedAfter, "sender", d.Sender)
	if d.Status != "" {
		v.Way = &way{d.Status, words.Centre.Status}
	}
	v.Reference = reference(words, d.Reference)
	return v.write(w, "erased.html")
}

func reference(w *words, ref string) string {
	if ref == "" {
		return ""
	}
	return fillClean(w.Pages.Reference, "reference", ref)
}

// page is what the files in pages/ can show.
type page struct {
	Words                      *words
	Style                      template.CSS
	Title, Sender, What, After string
	MaskedAddress, Reference   string
	Choices                    string
	InFlight                   bool
	Button                     *form
	Rows                       []row
	Until                      string
	Notes                      []string
	Contact                    *contact
	Lines                      []string
	Way                        *way
	Ask                        *way // to the page that mails a new link
	Forms                      []form
	Report                     *reportView
	Centre                     *centreView
	Failed                     bool // something that was filled in is wrong
	Field                      *field
	Steps                      []step
	Mistake                    string
	Fresh                      *form
	Torn                       []torn
	SignUp                     *signUpView
	Problems                   []problem
	Version                    *versionView
}

// Tab is what a browser shows of the page outside it.
func (v *page) Tab() string {
	if v.Failed {
		return v.Words.Centre.Error + ": " + v.Title
	}
	if len(v.Problems) > 0 {
		return fill(v.Words.Signup.ErrorTitle, "name", v.Title)
	}
	return v.Title
}

// speech is a language that the page can be read in; Path is empty for the one that it is in.
type speech struct{ Tag, Name, Dir, Path string }

// LanguageField in the query of a page's address chooses its language. SaidField tells the language of the mail that its
// link came from, which counts less than what is known of the person.
const (
	LanguageField = "lang"
	SaidField     = "said"
)

// Speaks lists the languages for the links at the foot of the page. They are links and no form: looking at a page in
// another language changes nothing.
func (v *page) Speaks() []speech {
	var all []speech
	for _, tag := range Languages() {
		one := speech{Tag: tag, Name: ownNames()[tag], Dir: direction(tag)}
		if tag != v.Words.Language {
			one.Path = "?" + LanguageField + "=" + tag
		}
		all = append(all, one)
	}
	return all
}

// Dir is the direction in which the page is read.
func (v *page) Dir() string { return direction(v.Words.Language) }

// way is a link onward.
type way struct{ Path, Label string }

// ask leads to the page that mails a new link, where its path is known.
func (w *words) ask(path string) *way {
	if path == "" {
		return nil
	}
	return &way{path, w.Centre.AskTitle}
}

// form is one button with one hidden field, so that it works without JavaScript.
type form struct {
	Action, Name, Value, Label string
	Quiet                      bool // not the button that most people come for
	Fields                     []HiddenField
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
	functions := template.FuncMap{"whole": whole, "errorsIn": errorsIn}
	return template.Must(template.New("").Funcs(functions).ParseFS(pageFiles, "pages/*.html"))
})

// mistake is something that was filled in wrong, for the summary that leads to it.
type mistake struct{ Title, ID, Text string }

func errorsIn(v *page, id, text string) mistake { return mistake{v.Words.Centre.ErrorTitle, id, text} }

// whole keeps a hyphenated word such as E-Mail on one line of a heading.
func whole(title string) string { return strings.ReplaceAll(title, "-", "\u2011") }

var style = sync.OnceValue(func() string { return pageFile("style.css") })

// formStyle is that of pages with fields or with a text of ours: the same and more.
var formStyle = sync.OnceValue(func() string { return style() + pageFile("form.css") })

func pageFile(name string) string {
	raw, err := pageFiles.ReadFile("pages/" + name)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(raw)
}

// StyleHash returns the source expressions for the style-src of a Content-Security-Policy that let the pages' style element
// through, in both of its forms: 'sha256-…', with their quotes.
func StyleHash() string { return hashOf(style()) + " " + hashOf(formStyle()) }

func hashOf(css string) string {
	sum := sha256.Sum256([]byte(css))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
