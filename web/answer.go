package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"heed/templates"
)

// page answers with a page that is rendered whole before its first byte goes
// out, so that half a page is never sent.
func (s *Server) page(w http.ResponseWriter, code int, lang string, write func(io.Writer) error) {
	var body bytes.Buffer
	if err := write(&body); err != nil {
		s.o.Log.Error("page_failed", "cause", err)
		http.Error(w, "This page cannot be shown just now.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(code)
	w.Write(body.Bytes()) // a client that has gone away needs no page
}

// noSuchLink tells what to do about a link that is cut, changed or not ours.
func (s *Server) noSuchLink(w http.ResponseWriter, r *http.Request) {
	lang := accepted(r)
	s.page(w, http.StatusNotFound, lang, func(w io.Writer) error {
		return templates.LinkProblemPage(w, s.problem(lang))
	})
}

// unavailable answers where the database cannot be reached: never a false 200,
// and when to try again.
func (s *Server) unavailable(w http.ResponseWriter, r *http.Request, route string, cause error) {
	s.o.Log.Error("web_unavailable", "route", route, "cause", cause)
	s.tryAgain(w, r)
}

func (s *Server) tryAgain(w http.ResponseWriter, r *http.Request) {
	lang := accepted(r)
	w.Header().Set("Retry-After", "30")
	s.page(w, http.StatusServiceUnavailable, lang, func(w io.Writer) error {
		return templates.TryAgainPage(w, s.problem(lang))
	})
}

func (s *Server) problem(lang string) templates.ProblemData {
	return templates.ProblemData{Language: lang, Sender: s.o.SenderName, Contact: s.o.UnsubscribeAddress}
}

// home says what this host is, to whoever looks.
func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	text := "This host serves the links in emails from " + s.o.SenderName + ".\nTo stop those emails, open the unsubscribe link in any of them"
	if s.o.UnsubscribeAddress != "" {
		text += ",\nor write to " + s.o.UnsubscribeAddress + " from the address that gets them"
	}
	plainText(w, http.StatusOK, text+".\n")
}

func plainText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	io.WriteString(w, text)
}

// styleOfPages gives the style sheet that all pages share, for those that are
// written here, and the policy that lets this one sheet through and nothing
// else: no script, no image, no frame, and forms to this host only.
func styleOfPages() (style, policy string, err error) {
	var page strings.Builder
	if err := templates.LinkProblemPage(&page, templates.ProblemData{}); err != nil {
		return "", "", err
	}
	_, rest, found := strings.Cut(page.String(), "<style>")
	style, _, closed := strings.Cut(rest, "</style>")
	if !found || !closed {
		return "", "", errors.New("the pages have no style sheet")
	}
	return style, "default-src 'none'; style-src " + templates.StyleHash() +
		"; form-action 'self'; frame-ancestors 'none'; base-uri 'none'", nil
}
