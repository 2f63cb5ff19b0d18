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

// move is /m/TOKEN: one half of a change of address. Each mailbox has a link of
// its own, and only the second click changes anything.
func (s *Server) move(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeMove)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	change, err := s.o.Store.ChangeOf(ctx, link)
	code := http.StatusOK
	if err == nil && r.Method == http.MethodPost {
		var fields map[string][]string
		if fields, code = form(w, r); code == 0 && (len(fields["confirm"]) != 1 || fields["confirm"][0] != "move") {
			code = http.StatusBadRequest
		}
		if code == 0 {
			code, change, err = s.confirmMove(ctx, link, change)
		}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.noSuchLink(w, r)
	case err != nil:
		s.unavailable(w, r, "move", err)
	case code == http.StatusOK && s.sendOn(w, r, s.action("m", r)): // it says there how far the change is
	default:
		s.showMove(w, r, code, link, change)
	}
}

// confirmMove takes the click, and waits for messages that were in flight to
// the old address while what it stopped was written for both.
func (s *Server) confirmMove(ctx context.Context, link consent.Link, before store.AddressChange) (int, store.AddressChange, error) {
	change, err := s.o.Store.ConfirmMove(ctx, link)
	if errors.Is(err, store.ErrState) {
		return http.StatusGone, before, nil
	}
	if err != nil {
		return 0, change, err
	}
	if change.State == "done" && before.State == "waiting" {
		s.o.Log.Info("address_changed", "key", change.New.String())
		_, err = s.o.Store.AwaitClaims(ctx, []consent.Key{change.New})
	}
	return http.StatusOK, change, err
}

// showMove shows where the change stands, as the holder of this half may see
// it.
func (s *Server) showMove(w http.ResponseWriter, r *http.Request, code int, link consent.Link, c store.AddressChange) {
	mine, other := c.OldClicked, c.NewEmail
	if link.Address == c.New {
		mine, other = c.NewClicked, c.OldEmail
	}
	lang := s.languageOf(r, c.Old)
	if c.State == "done" {
		lang = s.languageOf(r, c.New)
	}
	d := templates.RightData{Language: lang, Sender: s.o.SenderName, Action: s.action("m", r), At: mine, Ask: s.askPath(r), Days: daysToConfirm,
		Old: masked(c.OldEmail), New: masked(c.NewEmail), Other: masked(other)}
	show := templates.MovePage
	switch {
	case c.State == "done":
		show = templates.MovedPage
	case c.State == "dropped" && !c.OldClicked.IsZero() && !c.NewClicked.IsZero():
		show = templates.MoveTakenPage
	case c.State == "dropped", s.o.Now().After(c.Until):
		show, code = templates.LatePage, http.StatusGone
	case !mine.IsZero():
		show = templates.MovedHalfPage
	}
	s.page(w, code, lang, func(w io.Writer) error { return show(w, d) })
}
