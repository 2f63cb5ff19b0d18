package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// report is /r/TOKEN: a copy of everything that is held about somebody. The
// link went to the address on file. Reading the page shows nothing yet, since
// scanners open every link in a mail; its buttons post, and every posting that
// shows the copy is an event of the case.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	sealed, ok := s.open(w, r, consent.PurposeReport)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	link, err := s.o.Store.ReportLink(ctx, sealed)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.noSuchLink(w, r)
	case err != nil:
		s.unavailable(w, r, "report", err)
	case !link.Open(s.o.Now()):
		s.copyClosed(w, r, http.StatusGone, link)
	case r.Method != http.MethodPost:
		s.beforeCopy(w, r, http.StatusOK, link)
	default:
		s.copyAction(w, r, link)
	}
}

func (s *Server) copyAction(w http.ResponseWriter, r *http.Request, link store.ReportLink) {
	fields, code := form(w, r)
	if code != 0 {
		s.beforeCopy(w, r, code, link)
		return
	}
	switch how := fields.Get("show"); how {
	case "page", "file":
		s.showCopy(w, r, link, how)
	case "close":
		s.closeCopy(w, r, link)
	default:
		s.beforeCopy(w, r, http.StatusBadRequest, link)
	}
}

// showCopy notes the opening and shows the copy.
func (s *Server) showCopy(w http.ResponseWriter, r *http.Request, link store.ReportLink, how string) {
	ctx, cancel := context.WithTimeout(r.Context(), finishWithin)
	defer cancel()
	report, err := s.o.Store.OpenReport(ctx, link, how)
	switch {
	case errors.Is(err, store.ErrState), errors.Is(err, store.ErrNotFound):
		s.copyClosed(w, r, http.StatusGone, link)
		return
	case err != nil:
		s.unavailable(w, r, "report", err)
		return
	}
	s.o.Log.Info("copy_opened", "case", link.Case, "as", how)
	lang := s.languageOf(r, link.Reader)
	about := s.o.About.Of(report.State)
	if how == "file" {
		s.copyFile(w, lang, report, about)
		return
	}
	topics, err := s.o.Store.Topics(ctx)
	if err != nil {
		s.unavailable(w, r, "report", err)
		return
	}
	s.page(w, http.StatusOK, lang, func(w io.Writer) error {
		return templates.ReportPage(w, templates.ReportData{Language: lang, Sender: s.o.SenderName, Reference: report.Reference, At: report.MadeAt,
			Action: s.action("r", r), Unknown: report.Person == nil, Sections: sections(report, about, templates.Purposes(lang), topics),
			Contact: about.Controller.Contact, Authority: about.Authority})
	})
}

// copyFile answers with the copy as a file; its name tells nothing.
func (s *Server) copyFile(w http.ResponseWriter, lang string, report store.Held, about store.About) {
	body, err := json.MarshalIndent(store.Copy{Purposes: templates.Purposes(lang), Held: report, About: about,
		Rights: templates.Rights(lang, about.Controller.Contact, about.Authority)}, "", "  ")
	if err != nil {
		s.o.Log.Error("page_failed", "cause", err)
		plainText(w, http.StatusInternalServerError, templates.FailedText(lang)+"\n")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="my-data.json"`)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // a client that has gone away needs no file
}

func (s *Server) closeCopy(w http.ResponseWriter, r *http.Request, link store.ReportLink) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	if _, err := s.o.Store.CloseReports(ctx, link.Case, link.ID, ""); err != nil {
		s.unavailable(w, r, "report", err)
		return
	}
	s.copyClosed(w, r, http.StatusOK, link)
}

func (s *Server) copyClosed(w http.ResponseWriter, r *http.Request, code int, link store.ReportLink) {
	lang := s.languageOf(r, link.Reader)
	s.page(w, code, lang, func(w io.Writer) error {
		return templates.CopyClosedPage(w, templates.RightData{Language: lang, Sender: s.o.SenderName, Reference: caseReference(link.Case), Ask: s.askPath(r)})
	})
}

// beforeCopy shows the page with the buttons.
func (s *Server) beforeCopy(w http.ResponseWriter, r *http.Request, code int, link store.ReportLink) {
	who, err := s.whoIs(r, link.Key)
	if err != nil {
		s.unavailable(w, r, "report", err)
		return
	}
	s.page(w, code, who.lang, func(w io.Writer) error {
		return templates.CopyPage(w, templates.RightData{Language: who.lang, Sender: s.o.SenderName, MaskedAddress: who.masked,
			Action: s.action("r", r), Reference: caseReference(link.Case), Until: link.Until})
	})
}
