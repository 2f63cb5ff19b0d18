package web

import (
	"context"
	"errors"
	"io"
	"net/http"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// webPolicy lets the look of a mail through, which is written into its elements,
// and its images; no script, no form.
const webPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

// webVersion is /w/TOKEN: a newsletter as everybody may read it.
func (s *Server) webVersion(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeWeb)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	campaign, err := s.o.Store.WebCampaign(ctx, link)
	if errors.Is(err, store.ErrNotFound) {
		s.noSuchLink(w, r)
		return
	}
	if err != nil {
		s.unavailable(w, r, "web_version", err)
		return
	}
	s.showWebVersion(w, campaign)
}

func (s *Server) showWebVersion(w http.ResponseWriter, c store.Campaign) {
	about := s.o.About.Controller
	lang := s.o.Language
	parsed, err := templates.ParseAs(c.Class, []byte(c.Source))
	w.Header().Set("Content-Security-Policy", webPolicy)
	w.Header().Set("X-Robots-Tag", "noindex")
	if parsed.Language != "" {
		lang = parsed.Language
	}
	s.page(w, http.StatusOK, s.said(lang), func(out io.Writer) error {
		if err != nil {
			return err
		}
		_, err := templates.WebVersion(out, parsed, templates.LayoutData{Sender: s.o.SenderName, PostalAddress: about.PostalAddress, PrivacyContact: about.Contact, Language: s.o.Language})
		return err
	})
}

// said is the language that an answer says it is in.
func (s *Server) said(tag string) string {
	if tag == "" {
		return templates.Languages()[0]
	}
	return tag
}
