package templates

import (
	"io"
	"time"
)

// AskLinkData fills the page that mails a new link. It is the same for everybody.
type AskLinkData struct {
	Language string // BCP 47; English where there are no words
	Sender   string
	Action   string // path to post to
	Given    string // address that was given and is none; with it the page says so
	Wrong    bool   // what was given is no address
	Late     bool   // a link that was good for a while has run out
}

// FieldEmail is what that page posts.
const FieldEmail = "email"

// AskLinkPage asks for an address, to which a link is mailed if it is one that is on file.
func AskLinkPage(out io.Writer, d AskLinkData) error {
	w := wordsFor(d.Language)
	title := w.Centre.AskTitle
	if d.Late {
		title = w.Pages.ExpiredTitle
	}
	v := newPage(w, d.Sender, title)
	v.What, v.Failed = w.Centre.AskText, d.Wrong
	v.Field = &field{ID: "email", Name: FieldEmail, Value: clean(d.Given), Label: w.Centre.AskLabel, Hint: w.Centre.AskHint}
	if d.Wrong {
		v.Field.Wrong = w.Centre.AskWrong
	}
	v.Button = &form{Action: d.Action, Label: w.Centre.FreshButton}
	return v.write(out, "link.html")
}

// LinkSentPage answers it, and whoever asks for a link of their own with that of a newsletter: the same to everybody.
func LinkSentPage(out io.Writer, language, sender string) error {
	w := wordsFor(language)
	v := newPage(w, sender, w.Centre.SentTitle)
	v.What, v.After = w.Centre.Sent, w.Centre.SentAgain
	return v.write(out, "notice.html")
}

// field is something to fill in.
type field struct{ ID, Name, Value, Label, Hint, Wrong string }

// RequestsData fills the page that starts a copy, a correction or a deletion.
type RequestsData struct {
	Language      string
	Sender        string
	MaskedAddress string
	Action        string // path to post to
	Back          string // path of the page with the choices
	Given         string // what was written about a correction that cannot be taken
	Wrong         bool
}

// The field that it posts with its values, and the one for what is wrong.
const (
	FieldAsk   = "ask"
	AskCopy    = "copy"
	AskCorrect = "correct"
	AskDelete  = "delete"
	FieldWhat  = "what"
)

// RequestsPage has a form of its own for each request, so that no button does what another says.
func RequestsPage(out io.Writer, d RequestsData) error {
	w := wordsFor(d.Language)
	c := w.Centre
	v := newPage(w, d.Sender, c.DataTitle)
	v.MaskedAddress, v.What, v.Failed = clean(d.MaskedAddress), c.DataText, d.Wrong
	v.Field = &field{ID: "what", Name: FieldWhat, Value: d.Given, Label: c.DataCorrectLabel}
	if d.Wrong {
		v.Field.Wrong = c.DataCorrectWrong
	}
	v.Forms = []form{{Action: d.Action, Name: FieldAsk, Value: AskCopy, Label: c.DataCopyButton, Quiet: true}, {Action: d.Action, Name: FieldAsk, Value: AskCorrect, Label: c.DataCorrectButton, Quiet: true},
		{Action: d.Action, Name: FieldAsk, Value: AskDelete, Label: c.DataDeleteButton, Quiet: true}}
	v.Way = &way{d.Back, c.Back}
	return v.write(out, "requests.html")
}

// AskedData fills the answer to a request.
type AskedData struct {
	Language  string
	Sender    string
	Kind      string // of the case: erasure, access or rectification
	Reference string
	Due       time.Time
	Mailed    bool   // a link is on its way that begins it
	Status    string // path of the page that tells where it stands
}

// AskedPage writes what was understood, what comes next, and where to look.
func AskedPage(out io.Writer, d AskedData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Centre.AskedTitle)
	v.What, v.Reference = w.asked(d.Kind), reference(w, d.Reference)
	next := fill(w.Letters.ReceiptPerson, "date", w.day(d.Due))
	if d.Mailed {
		next = w.Centre.AskedMail
	}
	v.Lines = []string{next}
	v.Way = &way{d.Status, w.Centre.Status}
	return v.write(out, "told.html")
}

// StatusData fills the page that tells where a request stands.
type StatusData struct {
	Language  string
	Sender    string
	Kind      string // of the case
	Reference string
	Received  time.Time
	Waits     bool // for the click in the mail
	Until     time.Time
	Certain   bool // it is certain who asks
	Due       time.Time
	Done      time.Time // zero: not yet
	Refused   bool
	Withdrawn bool
	Backups   time.Time // when the last copy is gone; zero: nothing to say
	Withdraw  string    // path to post to; empty: it cannot be withdrawn
}

// FieldWithdraw with the value "yes" is what its button posts.
const FieldWithdraw = "withdraw"

// step is one of those on the way of a request.
type step struct {
	Text  string
	State string // past, now or next
}

// StatusPage writes the steps of a request: what was, what is now, what comes.
func StatusPage(out io.Writer, d StatusData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Centre.StatusTitle)
	v.What, v.Reference = w.asked(d.Kind), reference(w, d.Reference)
	v.Steps = d.steps(w)
	if d.Withdraw != "" {
		v.After = w.Centre.WithdrawText
		v.Button = &form{Action: d.Withdraw, Name: FieldWithdraw, Value: "yes", Label: w.Centre.WithdrawButton, Quiet: true}
	}
	return v.write(out, "status.html")
}

func (d StatusData) steps(w *words) []step {
	c, on := w.Centre, func(sentence string, at time.Time) string { return fill(sentence, "date", w.day(at)) }
	all := []step{{on(c.StepReceived, d.Received), "past"}}
	switch {
	case d.Certain:
		all = append(all, step{c.StepCertain, "past"})
	case d.Waits && d.Done.IsZero():
		all = append(all, step{on(c.StepWaiting, d.Until), "now"})
	case d.Done.IsZero():
		all = append(all, step{c.StepPerson, "now"})
	}
	switch {
	case d.Withdrawn:
		return append(all, step{on(c.StepWithdrawn, d.Done), "past"})
	case d.Refused:
		return append(all, step{on(c.StepRefused, d.Done), "past"})
	case !d.Done.IsZero():
		all = append(all, step{on(c.StepDone, d.Done), "past"})
	case d.Certain:
		all = append(all, step{on(c.StepDue, d.Due), "now"})
	default:
		all = append(all, step{on(c.StepDue, d.Due), "next"})
	}
	if !d.Backups.IsZero() {
		all = append(all, step{on(c.StepBackups, d.Backups), "next"})
	}
	return all
}

// WithdrawnPage answers the button that withdraws a request.
func WithdrawnPage(out io.Writer, language, sender, number, ask string) error {
	w := wordsFor(language)
	v := newPage(w, sender, w.Centre.WithdrawnTitle)
	v.What, v.Reference = w.Centre.WithdrawnText, reference(w, number)
	v.Way = w.ask(ask)
	return v.write(out, "notice.html")
}

// HistoryPage shows the choices of somebody one by one, in the words of a copy of their data.
func HistoryPage(out io.Writer, language, sender, masked, back string, choices ReportSection) error {
	w := wordsFor(language)
	v := newPage(w, sender, w.Report.Sections["choices"])
	v.MaskedAddress = clean(masked)
	v.Report = &reportView{Sections: []reportPart{w.reportPart(choices)}}
	v.Report.Sections[0].Title = ""
	v.Way = &way{back, w.Centre.Back}
	return v.write(out, "report.html")
}
