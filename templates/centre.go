package templates

import (
	"io"
	"time"
)

// CentreTopic is a topic that somebody can choose.
type CentreTopic struct {
	ID, Name string
	About    string // in plain words what it brings; may be empty
	In       bool
}

// CentreData fills the page on which somebody chooses everything. Only a link that was mailed to the address on file, or
// that the product gave to somebody who is logged in, opens it.
type CentreData struct {
	Language      string // BCP 47; English where there are no words
	Sender        string
	MaskedAddress string
	Action        string // path that the choices post to
	Stop          string // path that stops all marketing; empty where nothing is left to stop
	History       string // path of the page with each choice
	Data          string // path of the page that starts a copy, a correction or a deletion
	Topics        []CentreTopic
	Offers        bool
	Sharing       bool
	Signal        time.Time // since when a signal of the browser is followed; zero: there is none
	Paused        time.Time // until when; zero: no pause
	First, Last   time.Time // the days until which a pause can last
	Services      []string  // names of those that the person uses
	Came          time.Time // when the address came to us
	Source        string    // where from; may be empty
	Conflicts     []Conflict
	WrongPause    string // what was given for the end of a pause and cannot be; empty: nothing is wrong
}

// The fields that the page posts. FieldHad lists what stood on the page, so that only what its reader changed counts.
const (
	FieldTopic   = "topic"
	FieldOffers  = "offers"
	FieldSharing = "sharing"
	FieldPause   = "pause"
	FieldHad     = "had"
	FieldKeep    = "keep"       // of two wishes that contradict each other, the no
	FieldWant    = "want"       // the yes
	DayForm      = "2006-01-02" // of a pause, as browsers post dates
)

// centreView is the page's part.
type centreView struct {
	CentreData
	Had          []string
	Pause        string // value of the field
	Least, Most  string
	SignalText   string
	PausedText   string
	PauseWrong   string
	StopText     string
	OriginText   string
	ServiceLines []string
	TopicField   string
	OffersField  string
	SharingField string
	PauseField   string
	HadField     string
}

// CentrePage writes that page. With something wrong in it, its title says so first.
func CentrePage(out io.Writer, d CentreData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Centre.Title)
	v.MaskedAddress = clean(d.MaskedAddress)
	for _, one := range d.Conflicts {
		v.Torn = append(v.Torn, torn{w.conflict(one), []form{{Action: d.Action, Name: FieldKeep, Value: one.Field, Label: w.Letters.Keep, Quiet: true},
			{Action: d.Action, Name: FieldWant, Value: one.Field, Label: w.Centre.Want, Quiet: true}}})
	}
	c := &centreView{CentreData: d, TopicField: FieldTopic, OffersField: FieldOffers, SharingField: FieldSharing, PauseField: FieldPause, HadField: FieldHad}
	c.Had, c.Least, c.Most = d.had(), d.First.Format(DayForm), d.Last.Format(DayForm)
	c.StopText = fillClean(w.Centre.StopText, "sender", d.Sender)
	c.OriginText = w.origin(d.Came, d.Source)
	if !d.Paused.IsZero() {
		c.Pause, c.PausedText = local(d.Paused).Format(DayForm), fill(w.Centre.Paused, "date", w.day(d.Paused))
	}
	if !d.Signal.IsZero() {
		c.SignalText = fill(w.Centre.Signal, "date", w.day(d.Signal))
	}
	if d.WrongPause != "" {
		v.Failed, c.Pause, c.PauseWrong = true, clean(d.WrongPause), fill(w.Centre.PauseWrong, "date", w.day(d.First.AddDate(0, 1, 0)))
	}
	for _, name := range d.Services {
		c.ServiceLines = append(c.ServiceLines, fillClean(w.Centre.ServiceOn, "service", name))
	}
	if len(c.ServiceLines) == 0 {
		c.ServiceLines = []string{w.Centre.ServiceNone}
	}
	v.Centre = c
	return v.write(out, "centre.html")
}

// torn is a contradiction with the two buttons that end it.
type torn struct {
	Text  string
	Forms []form
}

// had lists what stands on the page as chosen.
func (d CentreData) had() (all []string) {
	for _, one := range d.Topics {
		if one.In {
			all = append(all, FieldTopic+":"+one.ID)
		}
	}
	if d.Offers {
		all = append(all, FieldOffers)
	}
	if d.Sharing {
		all = append(all, FieldSharing)
	}
	if !d.Paused.IsZero() {
		all = append(all, FieldPause+":"+local(d.Paused).Format(DayForm))
	}
	return all
}

// origin tells where and when an address came to us.
func (w *words) origin(at time.Time, source string) string {
	switch {
	case at.IsZero():
		return ""
	case clean(source) == "":
		return fill(w.Centre.Origin, "date", w.day(at))
	}
	return fillClean(w.Centre.OriginSource, "date", w.day(at), "source", source)
}

// SavedData fills the answer to the choices.
type SavedData struct {
	Language string
	Sender   string
	On, Off  []Change
	Paused   time.Time // until when from now on; zero: nothing was said of a pause
	Resumed  bool      // a pause was ended
	At       time.Time // since when it holds
	InFlight int
	Back     string // path of the page with the choices
	Undo     string // path that takes the changes back; empty leaves the button out
	Fields   []HiddenField
	Number   string // reference; may be empty
}

// Change is something that was switched on or off.
type Change struct {
	Topic                string // name; empty: see the others
	All, Offers, Sharing bool
}

// HiddenField is a value that a button posts.
type HiddenField struct{ Name, Value string }

// SavedPage writes what has changed, since when, and the button that takes it back.
func SavedPage(out io.Writer, d SavedData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Centre.SavedTitle)
	for _, one := range d.On {
		v.Rows = append(v.Rows, row{Text: fill(w.Centre.SavedOn, "what", w.changed(one))})
	}
	for _, one := range d.Off {
		v.Rows = append(v.Rows, row{Text: fill(w.Centre.SavedOff, "what", w.changed(one))})
	}
	if !d.Paused.IsZero() {
		v.Rows = append(v.Rows, row{Text: fill(w.Centre.Paused, "date", w.day(d.Paused))})
	}
	if d.Resumed {
		v.Rows = append(v.Rows, row{Text: w.Centre.Resumed})
	}
	v.What = w.Centre.SavedSame
	if len(v.Rows) > 0 {
		v.What, v.InFlight = fill(w.Pages.DoneSince, "time", w.clock(d.At), "date", w.day(d.At)), d.InFlight > 0 && len(d.Off) > 0
		v.Reference = reference(w, d.Number)
		if d.Undo != "" {
			v.Button = &form{Action: d.Undo, Fields: d.Fields, Label: w.Centre.Undo, Quiet: true}
		}
	}
	v.Way = &way{d.Back, w.Centre.Back}
	return v.write(out, "saved.html")
}

func (w *words) changed(c Change) string {
	switch {
	case c.Topic != "":
		return fillClean(w.Letters.Topic, "topic", c.Topic)
	case c.All:
		return w.Letters.All
	case c.Offers:
		return w.Letters.Offers
	}
	return w.Letters.Sharing
}

// ChoiceWording is what the page says beside a choice that is no topic, by the ledger's name of it: the wording that
// somebody agreed to.
func ChoiceWording(language, scope string) string {
	c := wordsFor(language).Centre
	return map[string]string{"partner_offers": c.Offers + ". " + c.OffersHint, "sharing": c.Sharing + ". " + c.SharingHint}[scope]
}

// ChoicesLinkData fills the letter with a link to that page.
type ChoicesLinkData struct {
	Language string
	Sender   string
	Link     string // absolute URL
	Until    time.Time
}

// ChoicesLink is that letter.
func ChoicesLink(d ChoicesLinkData) (subject, text string) {
	w := wordsFor(d.Language)
	until := w.day(d.Until) + w.comma() + w.clock(d.Until)
	return w.Centre.LetterSubject, fillClean(w.Centre.Letter, "sender", d.Sender, "link", d.Link, "date", until)
}
