package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"heed/consent"
	"heed/templates"
)

// person is what is known of the one whose link was opened.
type person struct {
	state  consent.State
	lang   string
	masked string // address with all but its first letter hidden; empty where nobody is stored
	email  string // for what is mailed to it; no page shows it
	id     int64  // of the person; 0 where nobody is stored
	zone   *time.Location
}

// lookWithin bounds what a page reads from the database.
const lookWithin = 5 * time.Second

// open reads the link in the path. Where it is not whole, not ours or made for
// another page, it answers 404 with what to do next.
func (s *Server) open(w http.ResponseWriter, r *http.Request, purposes ...consent.Purpose) (consent.Link, bool) {
	ring := s.o.Store.Keys().Links
	link, err := ring.Open(r.PathValue("token"))
	if err != nil {
		link, err = ring.OpenUntil(r.PathValue("token"), s.o.Now())
	}
	if err != nil || !slices.Contains(purposes, link.Purpose) {
		s.badLink(w, r)
		return link, false
	}
	return link, !s.guessed(w, r, link)
}

// action is the path that a form on a page of this link posts to. It keeps the language that was chosen.
func (s *Server) action(page string, r *http.Request, more ...string) string {
	return s.prefix + "/" + page + "/" + strings.ToLower(r.PathValue("token")) + onward(r, more...)
}

// onward is the query of a link onward, with what the page's own address says about its language.
func onward(r *http.Request, more ...string) string {
	var query []string
	for _, field := range []string{templates.LanguageField, templates.SaidField} {
		if tag := baseOf(r.URL.Query().Get(field)); slices.Contains(templates.Languages(), tag) {
			query = append(query, field+"="+tag)
		}
	}
	if query = append(query, more...); len(query) == 0 {
		return ""
	}
	return "?" + strings.Join(query, "&")
}

func (s *Server) whoIs(r *http.Request, key consent.Key) (person, error) {
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	stored, known, err := s.o.Store.PersonByKey(ctx, key)
	if err != nil {
		return person{}, err
	}
	who := person{lang: s.language(r, stored.Language), zone: time.UTC}
	if who.state, err = s.o.Store.State(ctx, key); err != nil { // of anybody, so that a page takes the same work for all
		return person{}, err
	}
	if known {
		who.state, who.masked, who.email = stored.State, templates.Mask(stored.Email), stored.Email
		who.id = stored.ID
		if place, err := time.LoadLocation(stored.TimeZone); err == nil {
			who.zone = place
		}
	}
	return who, nil
}

// languageOf is the language for an answer whose work is done: where it cannot
// be read any more, the browser's will do.
func (s *Server) languageOf(r *http.Request, key consent.Key) string {
	who, err := s.whoIs(r, key)
	if err != nil {
		return s.language(r, "")
	}
	return who.lang
}

// language is that of a page: what was chosen at its foot, what is known of the person, what the mail was written in that
// the link stands in, what the browser asks for, and what the sender speaks.
func (s *Server) language(r *http.Request, stored string) string {
	query := r.URL.Query()
	for _, tag := range []string{query.Get(templates.LanguageField), stored, query.Get(templates.SaidField)} {
		if base := baseOf(tag); slices.Contains(templates.Languages(), base) {
			return base
		}
	}
	return accepted(r, s.o.Language)
}

func baseOf(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(tag, "_", "-")), "-")
	return base
}

// accepted gives the language that a browser asks for, as far as there are
// pages in it (RFC 9110 §12.5.4). A language that has no more than its script in
// common with one of ours, such as Persian with Arabic, is not it.
func accepted(r *http.Request, otherwise string) string {
	known := templates.Languages()
	tags := make([]language.Tag, len(known))
	for i, one := range known {
		tags[i] = language.Make(one)
	}
	asked, _, _ := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	_, index, sure := language.NewMatcher(tags).Match(asked...)
	switch {
	case sure != language.No:
		return known[index]
	case slices.Contains(known, baseOf(otherwise)):
		return baseOf(otherwise)
	}
	return known[0]
}
