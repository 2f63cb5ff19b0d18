package web

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"

	"heed/consent"
	"heed/store"
)

// choices is /p/TOKEN: what a person gets, each with a button that stops it.
// It only ever stops: whoever a newsletter was forwarded to holds its link too,
// and must not be able to sign its reader up for more.
func (s *Server) choices(w http.ResponseWriter, r *http.Request) {
	arrived := s.o.Now()
	if !allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeChoices, consent.PurposeOptOut)
	if !ok {
		return
	}
	if r.Method != http.MethodPost {
		s.showChoices(w, r, link, http.StatusOK)
		return
	}
	scope, code, err := s.chosen(w, r, link)
	switch {
	case err != nil:
		s.unavailable(w, r, "choices", err)
	case code != 0:
		s.showChoices(w, r, link, code)
	default:
		s.optOut(w, r, "choices", store.OptOut{Key: link.Address, Scope: scope, Received: arrived, Via: consent.ViaPage, Authenticated: true})
	}
}

// chosen reads which button was pressed. Only what the page offers this person
// can be chosen.
func (s *Server) chosen(w http.ResponseWriter, r *http.Request, link consent.Link) (scope consent.Scope, code int, err error) {
	fields, code := form(w, r)
	if code != 0 {
		return "", code, nil
	}
	if fields.Get("scope") == "all" {
		return consent.ScopeMarketing, 0, nil
	}
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		return "", 0, err
	}
	rows, err := s.chosenTopics(r, who.state)
	for _, one := range rows {
		if fields.Get("scope") == "topic:"+one.ID {
			return consent.TopicScope(one.Number), 0, err
		}
	}
	return "", http.StatusBadRequest, err
}

// choice is a topic that somebody decided about.
type choice struct {
	store.Named
	in bool
}

// chosenTopics lists the topics that somebody decided about. Whoever never
// chose topics has none: one button for everything is all that there is to
// stop.
func (s *Server) chosenTopics(r *http.Request, state consent.State) ([]choice, error) {
	topics, err := s.o.Store.Topics(r.Context())
	var rows []choice
	for _, one := range topics {
		if mark, chosen := state.Topics[one.Number]; chosen {
			rows = append(rows, choice{one, mark.Choice == consent.In && !closed(state)})
		}
	}
	return rows, err
}

// closed tells whether all marketing stands still whatever the topics say.
func closed(state consent.State) bool { return state.Erased != 0 || state.Suppressed != 0 }

// stopsAll tells whether nothing is left that the button for everything stops.
func stopsAll(state consent.State, rows []choice) bool {
	for _, one := range rows {
		if one.in {
			return false
		}
	}
	return closed(state) || state.Marketing.Choice == consent.Out && state.Partner.Choice != consent.In
}

func (s *Server) showChoices(w http.ResponseWriter, r *http.Request, link consent.Link, code int) {
	who, err := s.whoIs(r, link.Address)
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	rows, err := s.chosenTopics(r, who.state)
	if err != nil {
		s.unavailable(w, r, "choices", err)
		return
	}
	words := wordsIn(who.lang)
	body := s.about(words, who.masked) + s.topicRows(words, r, rows) + s.allRow(words, r, stopsAll(who.state, rows))
	s.page(w, code, who.lang, func(w io.Writer) error { return s.frame(w, who.lang, words.choicesTitle, body) })
}

func (s *Server) about(words words, masked string) string {
	if masked == "" {
		return ""
	}
	return paragraph("", words.address+" <bdi>"+html.EscapeString(masked)+"</bdi>.")
}

func (s *Server) topicRows(words words, r *http.Request, rows []choice) string {
	var b strings.Builder
	for _, one := range rows {
		name := html.EscapeString(one.Name)
		if !one.in {
			b.WriteString(paragraph("", fmt.Sprintf(words.stopped, name)))
			continue
		}
		b.WriteString(paragraph("", fmt.Sprintf(words.gets, name)))
		b.WriteString(s.button(r, "topic:"+one.ID, fmt.Sprintf(words.stopTopic, name)))
	}
	return b.String()
}

func (s *Server) allRow(words words, r *http.Request, stopped bool) string {
	sender := html.EscapeString(s.o.SenderName)
	if stopped {
		return paragraph("", fmt.Sprintf(words.getsNone, sender)) + paragraph("soft", words.continues)
	}
	return paragraph("", fmt.Sprintf(words.allText, sender)) + s.button(r, "all", words.stopAll) +
		paragraph("soft", words.effect) + paragraph("soft", words.continues)
}

// button is a form of its own, so that it works without JavaScript. label is
// HTML.
func (s *Server) button(r *http.Request, scope, label string) string {
	return `<form method="post" action="` + html.EscapeString(s.action("p", r)) + `">` + "\n" +
		`<input type="hidden" name="scope" value="` + html.EscapeString(scope) + `">` + "\n" +
		`<button type="submit">` + label + "</button>\n</form>\n"
}
