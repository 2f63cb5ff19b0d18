package templates

import (
	"strings"
	"time"
)

// Stops is what an opt-out stopped.
type Stops struct {
	All, Offers, Sharing bool
	Topics               []string // names
}

// Conflict is a yes and a no that contradict each other: the stricter counts until the person chooses.
type Conflict struct {
	Topic   string // name; empty: see What
	What    Stops  // where it is no topic
	Yes, No time.Time
	How     string // how the yes came: page, confirmed, import …, a way as the ledger names it
	Way     string // how the no came
	Field   string // value that the buttons post by which the person picks; empty: there are none
}

// OptOutData fills the letters about an opt-out by mail. Times are shown on the wall clock of their location, and name it.
type OptOutData struct {
	Language  string // BCP 47; English where there are no words
	Sender    string
	Stopped   Stops
	At        time.Time // since when it holds
	Already   bool      // by an earlier opt-out
	Goes      Stops     // what goes on
	Conflicts []Conflict
	Undo      string // absolute URL; empty leaves that paragraph out
	Until     time.Time
	Choices   string // absolute URL
}

// OptOutNotice tells the address on file of an opt-out that anybody could have written in its owner's name: what was
// understood, since when, what goes on, and how to take it back.
func OptOutNotice(d OptOutData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Letters.NoticeSubject, w.letter(d.Sender, w.Letters.Notice+"\n\n"+w.list(d.Stopped), w.since(d), w.Letters.NoticeUnsure,
		w.conflicts(d.Conflicts), w.goesOn(d.Goes), w.link(w.Letters.NoticeUndo, d.Until, d.Undo), w.link(w.Letters.Choices, d.Until, d.Choices))
}

// OptOutAnswer answers an opt-out in a person's own words: the same, to somebody who proved who they are.
func OptOutAnswer(d OptOutData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Letters.AnswerSubject, w.letter(d.Sender, w.Letters.Answer+"\n\n"+w.list(d.Stopped), w.since(d),
		w.conflicts(d.Conflicts), w.goesOn(d.Goes), w.link(w.Letters.AnswerUndo, d.Until, d.Undo), w.link(w.Letters.Choices, d.Until, d.Choices))
}

// ForgedQuestion asks the owner of an address in whose name a flood of opt-outs was forged whether they want the mail
// again.
func ForgedQuestion(d OptOutData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Letters.ForgedSubject, w.letter(d.Sender, fill(w.Letters.Forged, "date", w.day(d.At))+"\n\n"+w.list(d.Stopped), w.Letters.ForgedFound,
		w.link(w.Letters.ForgedUndo, d.Until, d.Undo), w.Letters.ForgedElse)
}

// UnknownData fills the neutral answer to somebody of whom nothing is stored.
type UnknownData struct {
	Language  string
	Sender    string
	Kept      bool   // the address that wrote is kept as one that is never written to
	Reference string // of a case; may be empty
}

// UnknownAnswer is that answer. It says nothing of any other address.
func UnknownAnswer(d UnknownData) (subject, text string) {
	w := wordsFor(d.Language)
	kept := ""
	if d.Kept {
		kept = w.Letters.UnknownKept
	}
	return w.Letters.UnknownSubject, w.letter(d.Sender, w.Letters.Unknown, w.Letters.UnknownOther, kept, reference(w, d.Reference))
}

// ReceiptData fills the letter that tells that a request was understood and who looks at it until when.
type ReceiptData struct {
	Language  string
	Sender    string
	Kind      string // of the case: erasure, access, rectification, objection, complaint, guardian or review
	Reference string
	Due       time.Time
	Held      bool // no marketing and no sharing meanwhile
	Besides   OptOutData
}

// Receipt is that letter.
func Receipt(d ReceiptData) (subject, text string) {
	w := wordsFor(d.Language)
	hold := ""
	if d.Held {
		hold = w.Letters.ReceiptHold
	}
	said := w.Letters.Receipt + " " + w.asked(d.Kind) + " " + fill(w.Letters.ReceiptPerson, "date", w.day(d.Due))
	return fillClean(w.Letters.ReceiptSubject, "reference", d.Reference), w.letter(d.Sender, said, hold, w.besides(d.Besides),
		w.Letters.ReceiptWrong, reference(w, d.Reference))
}

// Beside puts into a letter about a case, before its reference, until when the request is answered and what else its
// mail did.
func Beside(text string, due time.Time, also OptOutData) string {
	w := wordsFor(also.Language)
	more := fill(w.Letters.Due, "date", w.day(due))
	if besides := w.besides(also); besides != "" {
		more = besides + "\n\n" + more
	}
	return beforeReference(text, more)
}

// WithStatus puts into a letter about a case, before its reference, the link to the page that tells where it stands.
// Nothing is put in where there is no link.
func WithStatus(text, language, link string) string {
	if link == "" {
		return text
	}
	return beforeReference(text, wordsFor(language).Letters.Status+"\n\n"+clean(link))
}

// beforeReference finds the last two paragraphs of a letter about a case, the reference and the sender.
func beforeReference(text, more string) string {
	blocks := strings.Split(text, "\n\n")
	at := max(len(blocks)-2, 0)
	return strings.Join(append(blocks[:at:at], append([]string{more}, blocks[at:]...)...), "\n\n")
}

func (w *words) asked(kind string) string {
	l := w.Letters
	said := map[string]string{"erasure": l.ReceiptErasure, "access": l.ReceiptAccess, "rectification": l.ReceiptRectification,
		"objection": l.ReceiptObjection, "complaint": l.ReceiptComplaint, "guardian": l.ReceiptGuardian}[kind]
	if said == "" {
		return l.ReceiptReview
	}
	return said
}

// letter puts paragraphs together, leaving out the empty ones.
func (w *words) letter(sender string, paragraphs ...string) string {
	all := []string{w.Letters.Hello}
	for _, one := range append(paragraphs, clean(sender)) {
		if one != "" {
			all = append(all, one)
		}
	}
	return strings.Join(all, "\n\n") + "\n"
}

// maxListed keeps a letter short whatever the number of topics.
const maxListed = 8

// list writes what was stopped, or goes on, one a line.
func (w *words) list(s Stops) string {
	var lines []string
	for _, one := range []struct {
		is   bool
		name string
	}{{s.All, w.Letters.All}, {s.Offers, w.Letters.Offers}, {s.Sharing, w.Letters.Sharing}} {
		if one.is {
			lines = append(lines, "- "+one.name)
		}
	}
	for i, topic := range s.Topics {
		if i == maxListed {
			lines = append(lines, "- …")
			break
		}
		lines = append(lines, "- "+fillClean(w.Letters.Topic, "topic", brief(topic)))
	}
	return strings.Join(lines, "\n")
}

// brief cuts a name that would fill a letter.
func brief(name string) string {
	if runes := []rune(name); len(runes) > 60 {
		return string(runes[:59]) + "…"
	}
	return name
}

func (w *words) since(d OptOutData) string {
	words := w.Letters.Since
	if d.Already {
		words = w.Letters.Already
	}
	return fill(words, "date", w.day(d.At), "time", w.clock(d.At))
}

func (w *words) goesOn(s Stops) string {
	if list := w.list(s); list != "" {
		return w.Letters.Keeps + "\n\n" + list + "\n\n" + w.Pages.Continues
	}
	return w.Pages.Continues
}

func (w *words) link(sentence string, until time.Time, url string) string {
	if url == "" {
		return ""
	}
	return fill(sentence, "date", w.day(until)) + "\n\n" + clean(url)
}

func (w *words) besides(d OptOutData) string {
	list := w.list(d.Stopped)
	if list == "" {
		return ""
	}
	text := w.Letters.Besides + "\n\n" + list + "\n\n" + w.since(d)
	if d.Undo != "" {
		text += "\n\n" + w.link(w.Letters.NoticeUndo, d.Until, d.Undo)
	}
	return text
}

// conflicts writes a sentence for each contradiction.
func (w *words) conflicts(all []Conflict) string {
	var said []string
	for i, one := range all {
		if i == 2 {
			break // the page with the choices shows all of them
		}
		said = append(said, w.conflict(one))
	}
	return strings.Join(said, "\n\n")
}

func (w *words) conflict(c Conflict) string {
	what := fillClean(w.Letters.Topic, "topic", brief(c.Topic))
	if c.Topic == "" {
		what = strings.TrimPrefix(w.list(c.What), "- ")
	}
	return fill(w.Letters.Conflict, "yes", w.day(c.Yes), "no", w.day(c.No), "what", what, "how", w.way(c.How), "way", w.way(c.Way))
}

// way says how a wish came, by the ledger's name of it.
func (w *words) way(via string) string {
	l := w.Letters
	said := map[string]string{"page": l.ViaPage, "api": l.ViaPage, "confirmed": l.ViaLink, "mail": l.ViaMail, "one_click": l.ViaButton,
		"staff": l.ViaStaff, "spam_report": l.ViaReport, "signal": w.Centre.WaySignal}[via]
	if said == "" {
		return l.ViaList
	}
	return said
}

// local is where a time is shown: where its owner lives, as far as that is known.
func local(t time.Time) time.Time {
	if zone := t.Location().String(); zone == "" || zone == time.Local.String() {
		return t.UTC()
	}
	return t
}

// day is a date on the wall clock of the time's own place.
func (w *words) day(t time.Time) string {
	y, m, d := local(t).Date()
	return w.date(time.Date(y, m, d, 12, 0, 0, 0, time.UTC))
}

// clock is the time of day there, with the name of its zone.
func (w *words) clock(t time.Time) string {
	t = local(t)
	if t.Location() == time.UTC {
		return w.moment(t)
	}
	return t.Format("15:04") + " (" + t.Location().String() + ")"
}
