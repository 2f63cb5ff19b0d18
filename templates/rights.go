package templates

import (
	"io"
	"strconv"
	"strings"
	"time"
)

// RightData fills the pages and letters about a copy of one's data, a change of address, a correction or a restriction.
// Each uses what it needs.
type RightData struct {
	Language      string // BCP 47; English where there are no words
	Sender        string
	Contact       string // an address that people write to
	Link          string // absolute URL in a letter
	Action        string // path that a form posts to
	Way           string // path of the next page
	Ask           string // path of the page that mails a new link; may be empty
	Reference     string // of the case; may be empty
	MaskedAddress string // see Mask; may be empty
	Old, New      string // addresses of a change, masked on pages
	Other         string // the other of the two, for the half that is not yet confirmed
	Child         string // masked; of a guardian's request
	Reason        string
	Changes       []Correction
	At            time.Time
	Until         time.Time
	Days          int
}

// Correction is one detail that was corrected.
type Correction struct {
	Field string // a label of the report, such as first_name; what has no words is shown as it is
	Value string // empty: taken out
}

func (d RightData) fill(w *words, text string) string {
	return fillClean(text, "sender", d.Sender, "contact", d.Contact, "link", d.Link, "reference", d.Reference, "old", d.Old, "new", d.New,
		"other", d.Other, "child", d.Child, "reason", d.Reason, "time", w.moment(d.At), "date", w.date(d.Until), "days", strconv.Itoa(d.Days))
}

// right begins a page.
func (d RightData) page(title, what string, lines ...string) (*page, *words) {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, title)
	v.What, v.MaskedAddress, v.Reference = d.fill(w, what), clean(d.MaskedAddress), reference(w, d.Reference)
	for _, line := range lines {
		v.Lines = append(v.Lines, d.fill(w, line))
	}
	return v, w
}

// CopyAskPage asks before a copy of somebody's data is made. Its form posts confirm=copy.
func CopyAskPage(out io.Writer, d RightData) error {
	r := wordsFor(d.Language).Rights
	v, _ := d.page(r.CopyTitle, r.CopyText, r.CopyWaits)
	v.Button = &form{Action: d.Action, Name: "confirm", Value: "copy", Label: r.CopyButton}
	return v.write(out, "ask.html")
}

// CopyReadyPage answers that click, and leads to the copy.
func CopyReadyPage(out io.Writer, d RightData) error {
	r := wordsFor(d.Language).Rights
	v, _ := d.page(r.ReadyTitle, r.ReadyText, r.ReadyLater)
	v.Way = &way{d.Way, r.ReadyLink}
	return v.write(out, "told.html")
}

// CopyPage stands before the copy, because programs open every link in a mail: only its buttons show anything. They post
// show=page, show=file and show=close.
func CopyPage(out io.Writer, d RightData) error {
	r := wordsFor(d.Language).Rights
	v, _ := d.page(r.OpenTitle, r.OpenText, r.OpenUntil, r.CloseText)
	v.Forms = []form{{Action: d.Action, Name: "show", Value: "page", Label: r.OpenPage}, {Action: d.Action, Name: "show", Value: "file", Label: r.OpenFile, Quiet: true}}
	v.Button = &form{Action: d.Action, Name: "show", Value: "close", Label: r.CloseButton, Quiet: true}
	return v.write(out, "copy.html")
}

// CopyClosedPage says that a link to a copy is closed or has run out, with status 410, or 200 where it was closed just now.
func CopyClosedPage(out io.Writer, d RightData) error {
	r := wordsFor(d.Language).Rights
	v, w := d.page(r.ClosedTitle, r.ClosedText, r.ClosedAgain)
	v.Ask = w.ask(d.Ask)
	return v.write(out, "told.html")
}

// LatePage says that a confirmation came too late, with status 410, where what it was for is not a deletion.
func LatePage(out io.Writer, d RightData) error {
	w := wordsFor(d.Language)
	v, _ := d.page(w.Pages.ExpiredTitle, w.Rights.LateText.of(d.Days), w.Rights.LateAgain)
	v.Ask = w.ask(d.Ask)
	return v.write(out, "told.html")
}

// CopyConfirm is the mail that asks whether a request for a copy came from the address's owner.
func CopyConfirm(d RightData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Rights.CopySubject, d.fill(w, w.Rights.Copy)
}

// CopyReady is the mail with the link to the copy; for a guardian where Child is set.
func CopyReady(d RightData) (subject, text string) {
	w := wordsFor(d.Language)
	if d.Child != "" {
		return w.Rights.ChildSubject, d.fill(w, w.Rights.Child)
	}
	return w.Rights.ReadySubject, d.fill(w, w.Rights.Ready)
}

// MovePage asks, at one of the two mailboxes, before an address is changed. Its form posts confirm=move.
func MovePage(out io.Writer, d RightData) error {
	r := wordsFor(d.Language).Rights
	v, _ := d.page(r.MoveTitle, r.MoveText, r.MoveKeeps, r.MoveBoth)
	v.Button = &form{Action: d.Action, Name: "confirm", Value: "move", Label: r.MoveButton}
	return v.write(out, "ask.html")
}

// MovedHalfPage answers the first of the two clicks.
func MovedHalfPage(out io.Writer, d RightData) error {
	r := wordsFor(d.Language).Rights
	v, _ := d.page(r.HalfTitle, r.HalfText, r.HalfAfter)
	return v.write(out, "told.html")
}

// MovedPage answers the second.
func MovedPage(out io.Writer, d RightData) error {
	r := wordsFor(d.Language).Rights
	v, _ := d.page(r.MovedTitle, r.MovedText, r.MoveKeeps, r.MovedAfter)
	return v.write(out, "told.html")
}

// MoveTakenPage says that somebody else is known under the new address.
func MoveTakenPage(out io.Writer, d RightData) error {
	r := wordsFor(d.Language).Rights
	v, _ := d.page(r.TakenTitle, r.TakenText, r.TakenAfter)
	return v.write(out, "told.html")
}

// MoveConfirm is the mail to each of the two mailboxes.
func MoveConfirm(d RightData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Rights.MoveSubject, d.fill(w, w.Rights.Move)
}

// Moved is the mail to both when it is done.
func Moved(d RightData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Rights.MovedSubject, d.fill(w, w.Rights.Moved)
}

// Corrected is the mail about details that were corrected.
func Corrected(d RightData) (subject, text string) {
	w := wordsFor(d.Language)
	lines := make([]string, len(d.Changes))
	for i, one := range d.Changes {
		value := clean(one.Value)
		if value == "" {
			value = "–"
		}
		lines[i] = w.label(one.Field) + ": " + value
	}
	return w.Rights.CorrectedSubject, fill(d.fill(w, w.Rights.Corrected), "changes", strings.Join(lines, "\n"))
}

// Restricted is the mail that tells of a restriction.
func Restricted(d RightData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Rights.RestrictedSubject, d.fill(w, w.Rights.Restricted)
}

// Lifting is the mail that comes before a restriction ends (GDPR Art. 18(3)).
func Lifting(d RightData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Rights.LiftingSubject, d.fill(w, w.Rights.Lifting)
}
