package web

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"heed/store"
)

// Provider is a mail provider that tells us what became of messages.
type Provider struct {
	Kind       string // of ProviderKinds
	SecretFile string
}

// form of a provider: how it proves who it is, and what its words mean. A
// further one is a row here with two functions.
type providerForm struct {
	proves func(secret string, r *http.Request, body []byte, now time.Time) bool
	reads  func(body []byte) ([]store.ProviderEvent, error)
}

var providerForms = map[string]providerForm{
	"standard": {provesStandard, readsStandard},
	"postmark": {provesPostmark, readsPostmark},
}

// ProviderKinds lists the forms that are known.
func ProviderKinds() []string { return []string{"standard", "postmark"} }

// Limits of what a provider sends: Postmark may put the whole mail into it.
const (
	maxEvent       = 1 << 20
	eventTolerance = 5 * time.Minute
)

// providerEvents is /hooks/events, in the form of Standard Webhooks, and
// /hooks/KIND for providers that have a form of their own.
func (s *Server) providerEvents(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	if kind == "events" {
		kind = "standard"
	}
	form, known := providerForms[kind]
	secrets := s.secretsOf(kind)
	if !known || len(secrets) == 0 {
		writeProblem(w, problem(http.StatusNotFound, "no_such_provider", "no provider is configured here", "[[provider]] in heed.toml names one"))
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeProblem(w, problem(http.StatusMethodNotAllowed, "method_not_allowed", "events are posted", ""))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		writeProblem(w, problem(http.StatusRequestEntityTooLarge, "too_large", "an event has at most a mebibyte", ""))
		return
	}
	if !proven(form, secrets, r, body, s.o.Now()) {
		if wait := s.api.rates.failed(networkOf(r.RemoteAddr)); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
			writeProblem(w, problem(http.StatusTooManyRequests, "too_many_requests", "too many wrong secrets come from this network", ""))
			return
		}
		writeProblem(w, problem(http.StatusUnauthorized, "not_proven", "the secret or the signature is wrong, or the message too old", "compare the secret_file of the provider with what it was told"))
		return
	}
	s.takeEvents(w, r, kind, form, body)
}

func proven(form providerForm, secrets []string, r *http.Request, body []byte, now time.Time) bool {
	for _, secret := range secrets {
		if form.proves(secret, r, body, now) {
			return true
		}
	}
	return false
}

// secretsOf reads the secrets of a provider for each event, one a line.
func (s *Server) secretsOf(kind string) (all []string) {
	for _, one := range s.o.Doors.Providers {
		if one.Kind != kind {
			continue
		}
		text, err := os.ReadFile(one.SecretFile)
		if err != nil {
			s.o.Log.Error("provider_secret_missing", "provider", kind, "cause", err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); len(line) >= 16 {
				all = append(all, line)
			}
		}
	}
	return all
}

// takeEvents records events. What names no delivery of ours, or was known, is
// answered like the rest: the provider has nothing to mend.
func (s *Server) takeEvents(w http.ResponseWriter, r *http.Request, kind string, form providerForm, body []byte) {
	events, err := form.reads(body)
	if err != nil {
		writeProblem(w, problem(http.StatusBadRequest, "invalid_request", err.Error(), "docs/webhooks.md shows the form"))
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWithin)
	defer cancel()
	for _, e := range events {
		e.Provider = kind
		f, err := s.o.Store.RecordEvent(ctx, e)
		if err == nil {
			_, err = s.o.Store.AwaitClaims(ctx, f.Stopped)
		}
		if err != nil {
			s.o.Log.Error("web_unavailable", "route", "provider", "cause", err)
			w.Header().Set("Retry-After", "30")
			writeProblem(w, problem(http.StatusServiceUnavailable, "unavailable", "the event was not taken", "send it again"))
			return
		}
		s.o.Log.Info("provider_event", "provider", kind, "complaint", e.Complaint, "outcome", f.Outcome)
		if f.Paused != 0 {
			s.o.Log.Warn("campaign_paused", "campaign", f.Paused)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func provesStandard(secret string, r *http.Request, body []byte, now time.Time) bool {
	hook, err := standardwebhooks.NewWebhook(secret)
	if !strings.HasPrefix(secret, "whsec_") {
		hook, err = standardwebhooks.NewWebhookRaw([]byte(secret))
	}
	if err != nil || hook.VerifyIgnoringTimestamp(body, r.Header) != nil {
		return false
	}
	seconds, err := strconv.ParseInt(r.Header.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	return err == nil && now.Sub(time.Unix(seconds, 0)).Abs() <= eventTolerance
}

// standardEvent is the generic form.
type standardEvent struct {
	Type string `json:"type"` // message.bounced | message.complained
	Data struct {
		ID        string `json:"id"`
		MessageID string `json:"message_id"`
		Recipient string `json:"recipient"`
		Hard      bool   `json:"hard"`
		Policy    bool   `json:"policy"`
		Status    string `json:"status"`
	} `json:"data"`
}

func readsStandard(body []byte) ([]store.ProviderEvent, error) {
	var e standardEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, errors.New("the event is no JSON object of the form {type, data}")
	}
	complaint := e.Type == "message.complained"
	switch {
	case !complaint && e.Type != "message.bounced":
		return nil, errors.New("the type must be message.bounced or message.complained")
	case e.Data.ID == "" || e.Data.MessageID == "" || len(e.Data.ID) > 500:
		return nil, errors.New("data needs id, by which a second copy is known, and message_id")
	}
	return []store.ProviderEvent{{ID: e.Data.ID, Complaint: complaint, Message: e.Data.MessageID, Recipient: e.Data.Recipient,
		Hard: e.Data.Hard, Policy: e.Data.Policy, Status: e.Data.Status}}, nil
}

// provesPostmark wants the user and the password that stand in the address of the
// webhook: Postmark signs nothing and offers HTTP Basic authentication
// (postmarkapp.com/developer/webhooks/webhooks-overview).
func provesPostmark(secret string, r *http.Request, _ []byte, _ time.Time) bool {
	user, password, given := r.BasicAuth()
	return given && subtle.ConstantTimeCompare([]byte(user+":"+password), []byte(secret)) == 1
}

// postmarkEvent has the fields of postmarkapp.com/developer/webhooks/bounce-webhook
// and …/spam-complaint-webhook that mean something here. MessageID is Postmark's
// own number; ours comes back in Metadata, from the header X-PM-Metadata-heed.
type postmarkEvent struct {
	RecordType string
	ID         int64
	Type       string
	Email      string
	Metadata   map[string]any
}

func readsPostmark(body []byte) ([]store.ProviderEvent, error) {
	var p postmarkEvent
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, errors.New("the event is no JSON object as Postmark sends it")
	}
	if p.RecordType != "Bounce" && p.RecordType != "SpamComplaint" {
		return nil, nil // deliveries, opens and clicks mean nothing here
	}
	message, _ := p.Metadata["heed"].(string)
	e := store.ProviderEvent{ID: strconv.FormatInt(p.ID, 10), Message: message, Recipient: p.Email, Complaint: p.RecordType == "SpamComplaint" || p.Type == "SpamComplaint"}
	switch p.Type {
	case "HardBounce", "BadEmailAddress":
		e.Hard, e.Status = true, "5.1.1"
	case "Blocked", "DMARCPolicy", "SpamNotification":
		e.Policy, e.Status = true, "5.7.1"
	case "AutoResponder", "AddressChange", "Subscribe", "Unsubscribe", "ChallengeVerification", "OpenRelayTest":
		return nil, nil // no bounces, whatever they are called
	}
	return []store.ProviderEvent{e}, nil
}
