package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// SignUpForm says what the form at /s offers. It asks for no more than it needs:
// the address, and of the rest what the operator wants, which is never required.
type SignUpForm struct {
	Open    bool
	Topics  []string // ids; empty: all that are configured
	Ask     []string // of first_name, last_name, company
	Offers  bool     // offers of partners can be chosen
	Sharing bool     // passing details on to partners can be chosen
}

// pageForm is the name under which the ledger knows what came by our own form.
const pageForm = "sign-up page"

// signUp is /s: the form, and what it posts to, also from other sites. Whoever
// sends it in learns nothing about the address: neither from the answer nor from
// the work that is done for it.
func (s *Server) signUp(w http.ResponseWriter, r *http.Request) {
	arrived := s.o.Now()
	if !s.o.SignUp.Open {
		s.noSuchLink(w, r)
		return
	}
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	if r.Method != http.MethodPost {
		s.showSignUp(w, r, http.StatusOK, r.URL.Query(), nil)
		return
	}
	fields, code := form(w, r)
	if code != 0 {
		s.showSignUp(w, r, code, nil, nil)
		return
	}
	if fields.Get("website") != "" { // a program that fills in whatever it finds
		s.signUpAsked(w, r, fields)
		return
	}
	wording, err := s.wordingShown(r, fields)
	if errors.Is(err, store.ErrNotFound) {
		s.showSignUp(w, r, http.StatusConflict, fields, store.Flaws{{Field: "email", Why: "changed"}})
		return
	}
	if err == nil {
		err = s.o.Store.SignUp(r.Context(), store.SignUp{Contact: s.contactOf(r, fields), Wording: wording, Source: formName(fields.Get("form")),
			Network: s.o.Store.Network(sender(r)), Received: arrived})
	}
	s.answerSignUp(w, r, fields, err)
}

func (s *Server) answerSignUp(w http.ResponseWriter, r *http.Request, fields url.Values, err error) {
	var flaws store.Flaws
	switch {
	case errors.As(err, &flaws):
		s.showSignUp(w, r, http.StatusUnprocessableEntity, fields, flaws)
	case errors.Is(err, store.ErrTooMany):
		s.o.Log.Warn("signup_refused", "cause", "too many")
		lang := s.formLanguage(r, fields)
		w.Header().Set("Retry-After", "3600")
		s.page(w, http.StatusTooManyRequests, lang, func(w io.Writer) error {
			return templates.SignUpManyPage(w, templates.SignedUpData{Language: lang, Sender: s.o.SenderName})
		})
	case err != nil:
		s.unavailable(w, r, "sign_up", err)
	default:
		s.signUpAsked(w, r, fields)
	}
}

// contactOf reads what the form asks for; what it does not ask for is not taken.
func (s *Server) contactOf(r *http.Request, fields url.Values) store.Contact {
	c := store.Contact{Email: fields.Get("email"), Language: s.formLanguage(r, fields), Topics: fields["topic"]}
	for field, into := range map[string]*string{"first_name": &c.FirstName, "last_name": &c.LastName, "company": &c.Company} {
		if slices.Contains(s.o.SignUp.Ask, field) {
			*into = fields.Get(field)
		}
	}
	c.PartnerOffers = s.o.SignUp.Offers && fields.Get("partner_offers") == "1"
	c.Sharing = s.o.SignUp.Sharing && fields.Get("sharing") == "1"
	return c
}

var formNames = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func formName(given string) string {
	if formNames.MatchString(given) {
		return given
	}
	return pageForm
}

// formLanguage is what was chosen at the foot of the page, or stood in the form.
func (s *Server) formLanguage(r *http.Request, fields url.Values) string {
	return s.language(r, fields.Get("lang"))
}

// wordingShown finds what stood on the form: our own page as it is now, or a form
// that was given out. What nobody can tell any more is no proof, and is shown
// again.
func (s *Server) wordingShown(r *http.Request, fields url.Values) (string, error) {
	d, err := s.signUpData(r, fields)
	if err != nil {
		return "", err
	}
	mark := fields.Get("wording")
	if mark == d.Mark {
		return templates.SignUpWording(d), nil
	}
	return s.o.Store.Wording(r.Context(), mark)
}

// signUpData is the form in the language of its reader, filled in as it was sent.
func (s *Server) signUpData(r *http.Request, fields url.Values) (templates.SignUpData, error) {
	d, err := SignUpFormData(r.Context(), s.o.Store, s.o.SignUp, s.o.SenderName, s.formLanguage(r, fields))
	d.Action, d.Texts, d.Source = s.prefix+"/s", s.prefix+"/v"+onward(r), formName(fields.Get("form"))
	d.Mark = store.WordingMark(templates.SignUpWording(d))
	d.Values = map[string]string{}
	for _, field := range []string{"email", "first_name", "last_name", "company", "partner_offers", "sharing"} {
		d.Values[field] = fields.Get(field)
	}
	for i := range d.Topics {
		d.Topics[i].Chosen = slices.Contains(fields["topic"], d.Topics[i].ID)
	}
	return d, err
}

// SignUpFormData is what a form of this configuration says, for our own page and
// for other sites.
func SignUpFormData(ctx context.Context, s *store.Store, f SignUpForm, sender, lang string) (templates.SignUpData, error) {
	d := templates.SignUpData{Language: lang, Sender: sender, Ask: f.Ask, Offers: f.Offers, Sharing: f.Sharing}
	topics, err := s.Topics(ctx)
	if err != nil {
		return d, err
	}
	for _, one := range topics {
		if len(f.Topics) == 0 || slices.Contains(f.Topics, one.ID) {
			d.Topics = append(d.Topics, templates.SignUpTopic{ID: one.ID, Name: one.Name})
		}
	}
	inForce, _, err := s.PolicyNow(ctx)
	d.Policy = inForce.ID
	return d, err
}

func (s *Server) showSignUp(w http.ResponseWriter, r *http.Request, code int, fields url.Values, flaws store.Flaws) {
	if r.Method != http.MethodPost {
		fields = url.Values{"lang": fields["lang"]} // a link fills nothing in
	}
	d, err := s.signUpData(r, fields)
	if err != nil {
		s.unavailable(w, r, "sign_up", err)
		return
	}
	for _, one := range flaws {
		d.Flaws = append(d.Flaws, templates.SignUpFlaw(one))
	}
	s.page(w, code, d.Language, func(w io.Writer) error { return templates.SignUpPage(w, d) })
}

// signUpAsked is the answer to every form that was taken, whoever is stored.
func (s *Server) signUpAsked(w http.ResponseWriter, r *http.Request, fields url.Values) {
	lang := s.formLanguage(r, fields)
	s.page(w, http.StatusOK, lang, func(w io.Writer) error {
		return templates.SignUpAskedPage(w, templates.SignedUpData{Language: lang, Sender: s.o.SenderName, MaskedAddress: masked(strings.TrimSpace(fields.Get("email")))})
	})
}

// sender is the address of whoever sends a request. Behind a proxy of our own, one
// on this machine or in this network, it is what the proxy nearest to us notes.
func sender(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	near := from.Addr().Unmap()
	if !ownNetwork(near) {
		return near
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		one, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		if near = one.Unmap(); !ownNetwork(near) {
			break
		}
	}
	return near
}

func ownNetwork(a netip.Addr) bool { return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() }

// signUpConfirm is /s/TOKEN: what was asked for, and the button that makes it a
// yes. The link went to the address itself; opening it proves nothing.
func (s *Server) signUpConfirm(w http.ResponseWriter, r *http.Request) {
	arrived := s.o.Now()
	if !s.allowed(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	link, ok := s.open(w, r, consent.PurposeSignUp)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	u, err := s.o.Store.SignUpOf(ctx, link)
	code := http.StatusOK
	if err == nil && r.Method == http.MethodPost && u.Confirmed.IsZero() && !u.Expired {
		var fields url.Values
		if fields, code = form(w, r); code == 0 && fields.Get("confirm") != "signup" {
			code = http.StatusBadRequest
		}
		if code == 0 {
			code = http.StatusOK
			d, failed := s.signedUpData(r, u)
			if err = failed; err == nil {
				u, err = s.o.Store.ConfirmSignUp(ctx, link, store.Click{Received: arrived, Network: s.o.Store.Network(sender(r)), Wording: templates.SignUpConfirmWording(d)})
			}
			if err == nil {
				s.o.Log.Info("signup_confirmed", "key", u.Key.String(), "choices", len(u.Scopes))
			}
		}
	}
	s.showSignUpConfirm(w, r, code, u, err)
}

func (s *Server) showSignUpConfirm(w http.ResponseWriter, r *http.Request, code int, u store.SignUpAsked, err error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.noSuchLink(w, r)
		return
	case errors.Is(err, store.ErrState):
		u.Expired = true
	case err != nil:
		s.unavailable(w, r, "sign_up_confirm", err)
		return
	}
	d, err := s.signedUpData(r, u)
	if err != nil {
		s.unavailable(w, r, "sign_up_confirm", err)
		return
	}
	show := templates.SignUpConfirmPage
	switch {
	case u.Expired:
		show, code, d.Way = templates.SignUpLatePage, http.StatusGone, s.prefix+"/s"
	case !u.Confirmed.IsZero() && len(u.Scopes) > 0:
		show = templates.SignedUpPage
	case !u.Confirmed.IsZero():
		s.notice(w, r, http.StatusOK, templates.NoticeData{Kind: templates.NoticeUsed, Language: d.Language})
		return
	}
	s.page(w, code, d.Language, func(w io.Writer) error { return show(w, d) })
}

func (s *Server) signedUpData(r *http.Request, u store.SignUpAsked) (templates.SignedUpData, error) {
	chosen, err := s.stops(r, u.Scopes)
	if err != nil {
		return templates.SignedUpData{}, err
	}
	inForce, _, err := s.o.Store.PolicyNow(r.Context())
	choices := s.o.Store.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeChoices, Address: u.Key})
	return templates.SignedUpData{Language: s.language(r, u.Language), Sender: s.o.SenderName, MaskedAddress: masked(u.Email), Action: s.action("s", r),
		Chosen: chosen, Policy: inForce.ID, Texts: s.prefix + "/v", Way: s.prefix + "/p/" + choices}, err
}
