package templates

import (
	"html/template"
	"io"
	"slices"
	"strings"
)

// SignUpTopic is a topic that a form offers.
type SignUpTopic struct {
	ID     string // posted as topic=ID
	Name   string
	Chosen bool // by whoever sent the form in, which then came back
}

// SignUpFlaw is one thing that is wrong with a form that was sent in: the field, and why.
type SignUpFlaw struct{ Field, Why string }

// SignUpData fills the form to sign up, and the wording that is kept as proof.
type SignUpData struct {
	Language string // BCP 47; English where there are no words
	Sender   string
	Action   string // path, or for another site the URL, that the form posts to
	Topics   []SignUpTopic
	Ask      []string // of first_name, last_name and company, those that may be given
	Offers   bool     // whether partner offers and sharing are choices of this form; neither is ever ticked beforehand
	Sharing  bool
	Policy   string // version in force; may be empty
	Texts    string // path or URL of its text
	Source   string // name of the form
	Mark     string // of the wording

	Values map[string]string // what was sent in, by field; partner_offers and sharing are "1" where chosen
	Flaws  []SignUpFlaw
}

// SignUpWording is what stands on the form, word by word, a line each.
func SignUpWording(d SignUpData) string {
	w := wordsFor(d.Language)
	lines := []string{w.Signup.Title, w.signUpText(d, w.Signup.Text)}
	if len(d.Topics) > 1 {
		lines = append(lines, w.Signup.Choose)
	}
	for _, one := range d.Topics {
		lines = append(lines, w.topicLabel(d, one))
	}
	if d.Offers || d.Sharing {
		lines = append(lines, w.Signup.Extra)
	}
	if d.Offers {
		lines = append(lines, w.signUpText(d, w.Signup.Offers))
	}
	if d.Sharing {
		lines = append(lines, w.signUpText(d, w.Signup.Sharing))
	}
	lines = append(lines, w.signUpText(d, w.Signup.Agree))
	if d.Policy != "" {
		lines = append(lines, w.signUpText(d, w.Signup.PolicyLink))
	}
	return strings.Join(append(lines, w.Signup.Button), "\n")
}

func (w *words) signUpText(d SignUpData, text string) string {
	return fillClean(text, "sender", d.Sender, "name", d.Policy)
}

// topicLabel is what stands beside a topic's box; where there is only one topic, a sentence says that it is the one.
func (w *words) topicLabel(d SignUpData, t SignUpTopic) string {
	if len(d.Topics) == 1 {
		return fillClean(w.Signup.Only, "topic", t.Name)
	}
	return clean(t.Name)
}

// signUpView is the form as signup.html and embed.html show it.
type signUpView struct {
	SignUpData
	Lang         string
	Dir          string
	Fields       []signUpField
	Boxes        []signUpBox // topics
	Extras       []signUpBox
	TopicFlaw    string
	Text         string
	Legend       string
	ExtraLegend  string
	Agree        string
	PolicyLabel  string
	Trap, Button string
}

type signUpField struct{ ID, Label, Kind, Complete, Value, Flaw string }

type signUpBox struct {
	ID, Name, Value, Label string
	Chosen                 bool
}

// problem leads from the list of problems to its field.
type problem struct{ Field, Text string }

// SignUpPage writes the form; where it has flaws, with a list of them that leads to the fields. Its form posts email,
// first_name, last_name, company, topic, partner_offers, sharing, lang, form and wording, and website, which people leave
// empty.
func SignUpPage(out io.Writer, d SignUpData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Signup.Title)
	v.SignUp, v.Style = w.signUpForm(d), template.CSS(formStyle())
	for _, one := range d.Flaws {
		v.Problems = append(v.Problems, problem{w.flawAt(d, one.Field), w.flaw(one)})
	}
	return v.write(out, "signup.html")
}

// flawAt is the id of the element that a flaw leads to.
func (w *words) flawAt(d SignUpData, field string) string {
	if field == "topics" && len(d.Topics) > 1 {
		return "topic-" + d.Topics[0].ID
	}
	if slices.Contains(d.Ask, field) {
		return field
	}
	return "email"
}

func (w *words) flaw(f SignUpFlaw) string {
	s := w.Signup
	said := map[string]string{"address": s.Address, "lookalike": s.Lookalike, "signs": s.Signs, "long": s.Long, "changed": s.Changed}[f.Why]
	switch {
	case said != "":
		return said
	case f.Field == "topics":
		return s.Topics
	}
	return s.Missing
}

func (w *words) signUpForm(d SignUpData) *signUpView {
	s := w.Signup
	v := &signUpView{SignUpData: d, Lang: w.Language, Dir: direction(w.Language), Text: w.signUpText(d, s.Text), Legend: s.Choose, ExtraLegend: s.Extra,
		Agree: w.signUpText(d, s.Agree), PolicyLabel: w.signUpText(d, s.PolicyLink), Trap: s.Trap, Button: s.Button}
	v.Fields = append(v.Fields, w.signUpField(d, "email", "email", "email", w.label("email")))
	for _, one := range []struct{ id, complete string }{{"first_name", "given-name"}, {"last_name", "family-name"}, {"company", "organization"}} {
		if slices.Contains(d.Ask, one.id) {
			v.Fields = append(v.Fields, w.signUpField(d, one.id, "text", one.complete, fill(s.Optional, "name", w.label(one.id))))
		}
	}
	for _, one := range d.Topics {
		v.Boxes = append(v.Boxes, signUpBox{"topic-" + one.ID, "topic", one.ID, w.topicLabel(d, one), one.Chosen})
	}
	if d.Offers {
		v.Extras = append(v.Extras, signUpBox{"partner_offers", "partner_offers", "1", w.signUpText(d, s.Offers), d.Values["partner_offers"] == "1"})
	}
	if d.Sharing {
		v.Extras = append(v.Extras, signUpBox{"sharing", "sharing", "1", w.signUpText(d, s.Sharing), d.Values["sharing"] == "1"})
	}
	v.TopicFlaw = w.flawOf(d, "topics")
	return v
}

func (w *words) signUpField(d SignUpData, id, kind, complete, label string) signUpField {
	return signUpField{ID: id, Label: label, Kind: kind, Complete: complete, Value: d.Values[id], Flaw: w.flawOf(d, id)}
}

func (w *words) flawOf(d SignUpData, field string) string {
	for _, one := range d.Flaws {
		if one.Field == field {
			return w.flaw(one)
		}
	}
	return ""
}

// SignUpEmbed writes the form as HTML for another site, with nothing but elements and text: no script, no style.
func SignUpEmbed(out io.Writer, d SignUpData) error {
	return pageTemplates().ExecuteTemplate(out, "embed.html", wordsFor(d.Language).signUpForm(d))
}

// SignedUpData fills the pages and letters that follow.
type SignedUpData struct {
	Language      string
	Sender        string
	Contact       string   // an address that people write to
	Link          string   // absolute URL in a letter
	MaskedAddress string   // see Mask
	Action        string   // path that a form posts to
	Chosen        Stops    // what was chosen
	Policy        string   // version in force; may be empty
	Purposes      []string // what it lets data be used for, where it is asked about
	Texts         string   // path of its text
	Way           string   // path of the next page
}

func (d SignedUpData) fill(text string) string {
	return fillClean(text, "sender", d.Sender, "contact", d.Contact, "link", d.Link, "other", d.MaskedAddress, "name", d.Policy)
}

// SignUpAskedPage answers a form that was sent in, whoever is stored: an email is on its way.
func SignUpAskedPage(out io.Writer, d SignedUpData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Signup.AskedTitle)
	v.What, v.Lines = d.fill(w.Signup.AskedText), []string{w.Signup.AskedSpam}
	return v.write(out, "told.html")
}

// SignUpManyPage says that no more forms are taken within the hour, with status 429.
func SignUpManyPage(out io.Writer, d SignedUpData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Signup.ManyTitle)
	v.What = w.Signup.ManyText
	return v.write(out, "told.html")
}

// SignUpConfirmPage is behind the link in that email. Its form posts confirm=signup.
func SignUpConfirmPage(out io.Writer, d SignedUpData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Signup.ConfirmTitle)
	v.MaskedAddress, v.What, v.Rows = clean(d.MaskedAddress), d.fill(w.Signup.ConfirmText), w.chosen(d.Chosen)
	v.Lines, v.After = []string{d.fill(w.Signup.Agree)}, w.Signup.ConfirmElse
	v.Way = d.texts(w)
	v.Button = &form{Action: d.Action, Name: "confirm", Value: "signup", Label: w.Signup.ConfirmButton}
	return v.write(out, "agree.html")
}

// SignUpConfirmWording is what stands on that page, word by word.
func SignUpConfirmWording(d SignedUpData) string {
	w := wordsFor(d.Language)
	lines := []string{w.Signup.ConfirmTitle, d.fill(w.Signup.ConfirmText)}
	for _, one := range w.chosen(d.Chosen) {
		lines = append(lines, one.Text)
	}
	lines = append(lines, d.fill(w.Signup.Agree))
	if way := d.texts(w); way != nil {
		lines = append(lines, way.Label)
	}
	return strings.Join(append(lines, w.Signup.ConfirmButton), "\n")
}

func (d SignedUpData) texts(w *words) *way {
	if d.Policy == "" || d.Texts == "" {
		return nil
	}
	return &way{d.Texts, d.fill(w.Signup.PolicyLink)}
}

// SignedUpPage answers the click: what somebody gets from now on, and where to change it.
func SignedUpPage(out io.Writer, d SignedUpData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Signup.DoneTitle)
	v.What, v.Rows = d.fill(w.Signup.DoneText), w.chosen(d.Chosen)
	v.Way = &way{d.Way, w.Pages.DoneChoices}
	return v.write(out, "agree.html")
}

// SignUpLatePage says that a click came too late, with status 410, and where to begin again.
func SignUpLatePage(out io.Writer, d SignedUpData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Pages.ExpiredTitle)
	v.What, v.Way = w.Signup.LateText, &way{d.Way, w.Signup.LateLink}
	return v.write(out, "told.html")
}

// chosen lists choices, a row each.
func (w *words) chosen(s Stops) (rows []row) {
	for _, topic := range s.Topics {
		rows = append(rows, row{Text: fillClean(w.Letters.Topic, "topic", topic)})
	}
	for _, one := range []struct {
		is   bool
		name string
	}{{s.All, w.Letters.All}, {s.Offers, w.Letters.Offers}, {s.Sharing, w.Letters.Sharing}} {
		if one.is {
			rows = append(rows, row{Text: one.name})
		}
	}
	return rows
}

// AlreadySignedUp is the mail to somebody who gets already what was asked for once more.
func AlreadySignedUp(d SignedUpData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Signup.KnownSubject, d.fill(w.Signup.Known)
}

// AccountConfirmed is the one mail that tells of a new account. It advertises nothing.
func AccountConfirmed(d SignedUpData) (subject, text string) {
	w := wordsFor(d.Language)
	return w.Signup.RegisteredSubject, d.fill(w.Signup.Registered)
}
