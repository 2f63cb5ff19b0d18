package templates

import "io"

// Choice is a topic that somebody decided about.
type Choice struct {
	ID   string // posted as scope=topic:ID
	Name string
	In   bool // they get it now
	Torn bool // a yes and a no contradict each other: the no counts, and can be made certain
}

// ChoicesData fills the page with a person's choices.
type ChoicesData struct {
	Language      string // BCP 47; English where there are no words
	Sender        string
	MaskedAddress string // see Mask; may be empty
	Action        string // path to post to: that of the page itself
	Topics        []Choice
	Stopped       bool // nothing is left that the button for everything would stop
	Conflicts     []Conflict
	Fresh         string // path that mails a link to the address on file, with which everything can be changed; may be empty
}

// ChoicesPage writes what a person gets, each with a form of its own that stops it, and one that stops everything:
// scope=topic:ID and scope=all. There is no button that would start anything, since a forwarded mail carries the link too.
func ChoicesPage(w io.Writer, d ChoicesData) error {
	words := wordsFor(d.Language)
	v := newPage(words, d.Sender, words.Pages.ChoicesTitle)
	v.Fresh = fresh(words, d.Fresh)
	v.MaskedAddress, v.What = clean(d.MaskedAddress), fillClean(words.Pages.ChoicesAll, "sender", d.Sender)
	for _, one := range d.Conflicts {
		v.Notes = append(v.Notes, words.conflict(one))
	}
	for _, one := range d.Topics {
		v.Rows = append(v.Rows, choiceRow(words, d.Action, one))
	}
	if d.Stopped {
		v.What = fillClean(words.Pages.ChoicesNone, "sender", d.Sender)
	} else {
		v.Button = &form{Action: d.Action, Name: "scope", Value: "all", Label: words.Pages.ChoicesAllButton}
	}
	return v.write(w, "choices.html")
}

// row is a sentence about a topic, with its button where there is something to stop.
type row struct {
	Text   string
	Button *form
}

func choiceRow(w *words, action string, c Choice) row {
	if !c.In {
		out := row{Text: fillClean(w.Pages.ChoicesOut, "topic", c.Name)}
		if c.Torn {
			out.Button = &form{Action: action, Name: "scope", Value: "topic:" + c.ID, Label: w.Letters.Keep}
		}
		return out
	}
	return row{Text: fillClean(w.Pages.ChoicesIn, "topic", c.Name), Button: &form{Action: action, Name: "scope",
		Value: "topic:" + c.ID, Label: fillClean(w.Pages.ChoicesStop, "topic", c.Name)}}
}
