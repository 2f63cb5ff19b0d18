package web

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"

	"heed/templates"
)

// page answers with a page that is rendered whole before its first byte goes
// out, so that half a page is never sent.
func (s *Server) page(w http.ResponseWriter, code int, lang string, write func(io.Writer) error) {
	var body bytes.Buffer
	if err := write(&body); err != nil {
		s.o.Log.Error("page_failed", "cause", err)
		plainText(w, http.StatusInternalServerError, templates.FailedText(lang)+"\n")
		return
	}
	if line := s.banner(lang); line != "" {
		whole := bytes.Replace(body.Bytes(), []byte("<main>\n"), []byte("<main>\n"+line), 1)
		body = *bytes.NewBuffer(whole)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(code)
	w.Write(body.Bytes()) // a client that has gone away needs no page
}

// notice answers with a page that only tells something, in the language of d or
// else of the browser.
func (s *Server) notice(w http.ResponseWriter, r *http.Request, code int, d templates.NoticeData) {
	if d.Language == "" {
		d.Language = s.language(r, "")
	}
	d.Sender, d.Contact, d.Ask = s.o.SenderName, s.o.UnsubscribeAddress, s.askPath(r)
	s.page(w, code, d.Language, func(w io.Writer) error { return templates.NoticePage(w, d) })
}

// askPath is the page that mails a new link.
func (s *Server) askPath(r *http.Request) string { return s.prefix + "/link" + onward(r) }

// noSuchLink tells what to do about a link that is cut, changed or not ours.
func (s *Server) noSuchLink(w http.ResponseWriter, r *http.Request) {
	s.notice(w, r, http.StatusNotFound, templates.NoticeData{Kind: templates.NoticeBadLink})
}

// unavailable answers where the database cannot be reached: never a false 200,
// and when to try again.
func (s *Server) unavailable(w http.ResponseWriter, r *http.Request, route string, cause error) {
	s.o.Log.Error("web_unavailable", "route", route, "cause", cause)
	s.tryAgain(w, r)
}

func (s *Server) tryAgain(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "30")
	s.notice(w, r, http.StatusServiceUnavailable, templates.NoticeData{Kind: templates.NoticeTryAgain})
}

// tooMany answers whoever asks too often.
func (s *Server) tooMany(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	s.notice(w, r, http.StatusTooManyRequests, templates.NoticeData{Kind: templates.NoticeTooOften})
}

// home says what this host is, to whoever looks.
func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	if s.allowed(w, r, http.MethodGet, http.MethodHead) {
		s.notice(w, r, http.StatusOK, templates.NoticeData{Kind: templates.NoticeHome})
	}
}

// plainText answers programs, and people where not even a page can be shown.
func plainText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	io.WriteString(w, text)
}
