package web

import (
	"bytes"
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"heed/consent"
	"heed/store"
)

// sendOn answers a form in a browser with the address of a page that says what came
// of it (RFC 9110 §15.4.4). That page can be read again: an answer to the form itself
// cannot, and whoever loads it anew, or goes back to it, is asked by the browser
// whether to send all of it once more. Programs, those of mailbox providers among
// them, get the answer itself, since a POST of theirs must not be redirected
// (RFC 8058 §3.1). Browsers tell by Sec-Fetch-Mode that somebody is looking.
func (s *Server) sendOn(w http.ResponseWriter, r *http.Request, to string) bool {
	if r.Method != http.MethodPost || r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return false
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
	return true
}

// Fields in the address of such a page. They change nothing: what they name is
// looked up, and where it is not so, the page is the one without them.
const (
	fieldDone    = "done"    // the row of the ledger by which something is stopped, or only that it is done
	fieldOf      = "of"      // the scope that it stops
	fieldAgain   = "again"   // it was stopped before
	fieldSaved   = "saved"   // the first row of what was chosen; 0: nothing was
	fieldHad     = "had"     // the end of the pause that was there before
	fieldSettled = "settled" // it was the choice between two wishes
	fieldAsked   = "asked"   // the number of a request
)

// again answers with such a page. The links to it in other languages lead to the same.
func (s *Server) again(w http.ResponseWriter, r *http.Request, lang string, write func(io.Writer) error) {
	kept := url.Values{}
	for _, name := range []string{fieldDone, fieldOf, fieldAgain, fieldSaved, fieldHad, fieldSettled, fieldAsked} {
		if value := r.URL.Query().Get(name); value != "" {
			kept.Set(name, value)
		}
	}
	s.page(w, http.StatusOK, lang, func(w io.Writer) error {
		var body bytes.Buffer
		if err := write(&body); err != nil || len(kept) == 0 {
			_, failed := body.WriteTo(w)
			return errors.Join(err, failed)
		}
		_, err := w.Write(bytes.ReplaceAll(body.Bytes(), []byte(`href="?`), []byte(`href="?`+html.EscapeString(kept.Encode())+`&amp;`)))
		return err
	})
}

func pair(name, value string) string { return name + "=" + url.QueryEscape(value) }

// rowIn is the number of a row of the ledger in the address of a page.
func rowIn(r *http.Request, name string) (seq int64, given bool) {
	seq, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
	return seq, err == nil && seq >= 0
}

// donePath is the page that tells again what an opt-out did; empty where nothing in
// the ledger tells it.
func (s *Server) donePath(r *http.Request, page string, stopped store.Stopped) string {
	if stopped.Reference == 0 || stopped.Outweighed {
		return ""
	}
	more := []string{pair(fieldDone, strconv.FormatInt(stopped.Reference, 10)), pair(fieldOf, string(stopped.Scope))}
	if stopped.Already {
		more = append(more, pair(fieldAgain, "1"))
	}
	return s.action(page, r, more...)
}

// showDone shows that page, where its address names what is so.
func (s *Server) showDone(w http.ResponseWriter, r *http.Request, link consent.Link) bool {
	seq, given := rowIn(r, fieldDone)
	if !given {
		return false
	}
	stopped, inFlight, err := s.o.Store.StopOf(r.Context(), link.Address, seq, consent.Scope(r.URL.Query().Get(fieldOf)))
	if errors.Is(err, store.ErrNotFound) {
		return false
	}
	if err != nil {
		s.unavailable(w, r, "done", err)
		return true
	}
	stopped.Already = r.URL.Query().Get(fieldAgain) == "1"
	s.tellStopped(w, r, link.Address, stopped, inFlight)
	return true
}
