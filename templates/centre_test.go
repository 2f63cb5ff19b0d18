package templates

import (
	"io"
	"strings"
	"testing"
	"time"
)

// centreData is somebody who gets one of two topics.
func centreData(lang, sender, topic string) CentreData {
	return CentreData{Language: lang, Sender: sender, MaskedAddress: Mask("ann@example.com"), Action: "/p/abc234", Stop: "/p/abc234/stop",
		History: "/p/abc234/history", Data: "/p/abc234/requests", Topics: []CentreTopic{{ID: "product", Name: topic, About: "", In: true}, {ID: "events", Name: "Events"}},
		First: pageAt().AddDate(0, 0, 1), Last: pageAt().AddDate(1, 0, 0), Services: []string{"Harbour Files"}, Came: pageAt().AddDate(0, -1, 0), Source: "database"}
}

// centrePages writes the pages on which somebody chooses or asks, each in its states.
func centrePages(lang, sender, topic string) map[string]func(io.Writer) error {
	centre := func(change func(*CentreData)) func(io.Writer) error {
		d := centreData(lang, sender, topic)
		change(&d)
		return func(w io.Writer) error { return CentrePage(w, d) }
	}
	status := func(change func(*StatusData)) func(io.Writer) error {
		d := StatusData{Language: lang, Sender: sender, Kind: "erasure", Reference: "H-12", Received: pageAt(), Until: pageAt().AddDate(0, 0, 30), Due: pageAt().AddDate(0, 1, 0),
			Backups: pageAt().AddDate(0, 2, 0), Waits: true, Withdraw: "/s/abc234"}
		change(&d)
		return func(w io.Writer) error { return StatusPage(w, d) }
	}
	return map[string]func(io.Writer) error{
		"centre": centre(func(d *CentreData) { d.Offers = true }),
		"centre-none": centre(func(d *CentreData) {
			d.Topics[0].In, d.Stop, d.Services, d.Source = false, "", nil, ""
		}),
		"centre-paused": centre(func(d *CentreData) { d.Paused, d.Signal = pageAt().AddDate(0, 1, 0), pageAt() }),
		"centre-torn": centre(func(d *CentreData) {
			d.Topics[0].In = false
			d.Conflicts = []Conflict{{Topic: topic, Yes: pageAt().AddDate(0, -1, 2), No: pageAt(), How: "page", Way: "mail", Field: "topic:product"},
				{What: Stops{Sharing: true}, Yes: pageAt().AddDate(0, -1, 2), No: pageAt(), How: "page", Way: "signal", Field: "sharing"}}
		}),
		"centre-wrong": centre(func(d *CentreData) { d.WrongPause = "2001-01-01" }),
		"saved": func(w io.Writer) error {
			return SavedPage(w, SavedData{Language: lang, Sender: sender, On: []Change{{Topic: topic}}, Off: []Change{{Offers: true}, {Sharing: true}}, Paused: pageAt().AddDate(0, 1, 0), At: pageAt(),
				InFlight: 1, Back: "/p/abc234", Undo: "/p/abc234", Fields: []HiddenField{{FieldHad, "topic:product"}, {FieldOffers, "yes"}}, Number: "L-7"})
		},
		"saved-same": func(w io.Writer) error {
			return SavedPage(w, SavedData{Language: lang, Sender: sender, At: pageAt(), Back: "/p/abc234", Undo: "/p/abc234"})
		},
		"link-ask": func(w io.Writer) error {
			return AskLinkPage(w, AskLinkData{Language: lang, Sender: sender, Action: "/link"})
		},
		"link-wrong": func(w io.Writer) error {
			return AskLinkPage(w, AskLinkData{Language: lang, Sender: sender, Action: "/link", Wrong: true, Given: "ann@"})
		},
		"link-late": func(w io.Writer) error {
			return AskLinkPage(w, AskLinkData{Language: lang, Sender: sender, Action: "/link", Late: true})
		},
		"link-sent": func(w io.Writer) error { return LinkSentPage(w, lang, sender) },
		"requests": func(w io.Writer) error {
			return RequestsPage(w, RequestsData{Language: lang, Sender: sender, MaskedAddress: Mask("ann@example.com"), Action: "/p/abc234/requests", Back: "/p/abc234"})
		},
		"requests-wrong": func(w io.Writer) error {
			return RequestsPage(w, RequestsData{Language: lang, Sender: sender, Action: "/p/abc234/requests", Back: "/p/abc234", Wrong: true})
		},
		"asked": func(w io.Writer) error {
			return AskedPage(w, AskedData{Language: lang, Sender: sender, Kind: "access", Reference: "H-12", Due: pageAt().AddDate(0, 1, 0), Mailed: true, Status: "/s/abc234"})
		},
		"asked-person": func(w io.Writer) error {
			return AskedPage(w, AskedData{Language: lang, Sender: sender, Kind: "rectification", Reference: "H-12", Due: pageAt().AddDate(0, 1, 0), Status: "/s/abc234"})
		},
		"status":           status(func(*StatusData) {}),
		"status-person":    status(func(d *StatusData) { d.Kind, d.Waits, d.Backups = "rectification", false, time.Time{} }),
		"status-certain":   status(func(d *StatusData) { d.Certain, d.Withdraw = true, "" }),
		"status-done":      status(func(d *StatusData) { d.Certain, d.Withdraw, d.Done = true, "", pageAt().AddDate(0, 0, 2) }),
		"status-refused":   status(func(d *StatusData) { d.Withdraw, d.Done, d.Refused = "", pageAt().AddDate(0, 0, 2), true }),
		"status-withdrawn": status(func(d *StatusData) { d.Withdraw, d.Done, d.Withdrawn = "", pageAt().AddDate(0, 0, 2), true }),
		"withdrawn":        func(w io.Writer) error { return WithdrawnPage(w, lang, sender, "H-12", "/link") },
		"history": func(w io.Writer) error {
			return HistoryPage(w, lang, sender, Mask("ann@example.com"), "/p/abc234", ReportSection{ID: "choices", Entries: [][]ReportField{
				{{Label: "received", Time: pageAt()}, {Label: "scope", Value: topic}, {Label: "choice", Coded: "in"}, {Label: "via", Coded: "page"}},
				{{Label: "received", Time: pageAt()}, {Label: "scope", Coded: "pause"}, {Label: "paused", Time: pageAt()}, {Label: "choice", Coded: "set"}, {Label: "via", Coded: "page"}}}})
		},
	}
}

func TestCentrePagesGolden(t *testing.T) {
	for name, write := range centrePages("en", "Harbour Notes", "Product news") {
		golden(t, "page-"+name+".html", written(t, write))
	}
}

// TestCentrePagesAreAccessible: each button posts, each thing to fill in has its label, and what is wrong is said first
// in the title, in a summary that leads to it, and beside it.
func TestCentrePagesAreAccessible(t *testing.T) {
	for _, lang := range Languages() {
		for name, write := range centrePages(lang, "Harbour Notes", "Product news") {
			text := written(t, write)
			count, title := inspect(t, text)
			if count["h1"] != 1 || count["main"] != 1 || title == "" || count["lang="+lang] == 0 || count["form"] != count["button"] || count["form"] != count["post"] {
				t.Errorf("%s/%s has %v, title %q", lang, name, count, title)
			}
			if count["script"]+count["link"]+count["img"]+count["http"] != 0 || strings.ContainsAny(text[strings.Index(text, "</style>"):], "{}") {
				t.Errorf("%s/%s has a script, something from outside, or a value that was not filled in:\n%s", lang, name, text)
			}
			wrong := strings.HasSuffix(name, "-wrong")
			if says := strings.HasPrefix(title, wordsFor(lang).Centre.Error+": "); says != wrong || wrong != strings.Contains(text, `role="alert"`) || wrong != strings.Contains(text, `aria-invalid="true"`) {
				t.Errorf("%s/%s: something is wrong is %v, and the title is %q", lang, name, wrong, title)
			}
		}
	}
}

// TestNothingIsTickedForAnybody: of what a person did not choose no box is ticked, and offers and sharing are two choices.
func TestNothingIsTickedForAnybody(t *testing.T) {
	none := written(t, centrePages("en", "S", "T")["centre-none"])
	if strings.Contains(none, " checked") || strings.Count(none, `type="checkbox"`) != 4 {
		t.Errorf("a box is ticked, or there are not four:\n%s", none)
	}
	if some := written(t, centrePages("en", "S", "T")["centre"]); strings.Count(some, " checked") != 2 || !strings.Contains(some, `name="had" value="offers"`) || strings.Contains(some, `name="had" value="sharing"`) {
		t.Errorf("what is ticked is not what was chosen:\n%s", some)
	}
	for _, want := range []string{"never advertising", "Always on", "We have had your address since"} {
		if !strings.Contains(none, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestCentreInjection(t *testing.T) {
	for _, payload := range payloads {
		if clean(payload) == "" {
			continue
		}
		d := centreData("en", payload, payload)
		d.Topics[0].About, d.Services, d.Source, d.WrongPause = payload, []string{payload}, payload, payload
		harmless := centreData("en", "S", "T")
		harmless.Topics[0].About, harmless.WrongPause = "x", "x"
		got, _ := inspect(t, written(t, func(w io.Writer) error { return CentrePage(w, d) }))
		want, _ := inspect(t, written(t, func(w io.Writer) error { return CentrePage(w, harmless) }))
		for _, tag := range []string{"script", "img", "b", "a", "form", "input", "p", "label", "h1", "h2"} {
			if got[tag] != want[tag] {
				t.Errorf("%.40q makes %d %s, want %d", payload, got[tag], tag, want[tag])
			}
		}
		subject, text := ChoicesLink(ChoicesLinkData{Language: "en", Sender: payload, Link: payload, Until: pageAt()})
		if _, plain := ChoicesLink(ChoicesLinkData{Language: "en", Sender: "S", Link: "L", Until: pageAt()}); oneLine("subject", subject) != nil || strings.Count(text, "\n") != strings.Count(plain, "\n") {
			t.Errorf("%.40q makes lines of its own:\n%s", payload, text)
		}
	}
}
