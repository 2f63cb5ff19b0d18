package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

// Problem is the answer to a request that was not done (RFC 9457). Programs go
// by code, which never changes its meaning; detail and hint are for people.
type Problem struct {
	Type   string  `json:"type" format:"uri-reference" doc:"Always about:blank; the code says which problem it is."`
	Title  string  `json:"title" doc:"The status in words."`
	Status int     `json:"status" doc:"The HTTP status."`
	Code   string  `json:"code" doc:"Which problem it is, for programs." example:"invalid_request"`
	Detail string  `json:"detail" doc:"What is wrong, for people."`
	Hint   string  `json:"hint,omitempty" doc:"What to do next, for people."`
	Errors []Fault `json:"errors,omitempty" doc:"Each thing that is wrong with the request."`
}

// Fault is one thing that is wrong with a request. What was sent is not
// repeated: answers end in logs.
type Fault struct {
	Location string `json:"location" doc:"Where it is, such as body.email."`
	Message  string `json:"message" doc:"What is wrong with it."`
}

// Error is what the problem says.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status; huma asks for it.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of RFC 9457; huma asks for it.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func problem(status int, code, detail, hint string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Hint: hint}
}

// The words of huma's own refusals, which it makes before a request reaches us.
var refusals = map[int][2]string{
	http.StatusBadRequest:            {"invalid_request", "send one JSON object with Content-Type: application/json; /v1/openapi.json says which"},
	http.StatusNotAcceptable:         {"not_acceptable", "answers are application/json"},
	http.StatusRequestTimeout:        {"too_slow", "send the request again"},
	http.StatusRequestEntityTooLarge: {"too_large", "send less at once"},
	http.StatusUnsupportedMediaType:  {"unsupported_media_type", "send Content-Type: application/json"},
	http.StatusUnprocessableEntity:   {"invalid_request", "errors says what is wrong where; /v1/openapi.json describes every field"},
	http.StatusInternalServerError:   {"failed", "send the request again with the same Idempotency-Key"},
}

// refusal makes a problem of what huma has to say.
func refusal(status int, text string, errs ...error) huma.StatusError {
	words := refusals[status]
	if words[0] == "" {
		words[0] = "refused"
	}
	p := problem(status, words[0], text, words[1])
	for _, err := range errs {
		if err == nil {
			continue
		}
		f := Fault{Location: "request", Message: err.Error()}
		var detail huma.ErrorDetailer
		if errors.As(err, &detail) {
			d := detail.ErrorDetail()
			f = Fault{Location: d.Location, Message: d.Message}
		}
		p.Errors = append(p.Errors, f)
	}
	return p
}

// meanings says how the errors of the store are answered.
var meanings = []struct {
	is         error
	status     int
	code, hint string
}{
	{store.ErrOtherRequest, http.StatusUnprocessableEntity, "idempotency_key_reused", "take a new Idempotency-Key for another request"},
	{store.ErrTaken, http.StatusConflict, "address_taken", "two people are never put together; the other one has to be deleted, or to change their address first"},
	{store.ErrHeld, http.StatusConflict, "on_hold", "the database was put back from a copy; heed campaign confirm lets the campaign go on"},
	{store.ErrNotFound, http.StatusNotFound, "not_found", "check the id"},
	{store.ErrState, http.StatusConflict, "wrong_state", "read it again: its state has changed"},
	{store.ErrRefused, http.StatusConflict, "refused", ""},
	{templates.ErrMarketing, http.StatusUnprocessableEntity, "advertises", "take it out, or send it as a campaign to those who want to hear of it"},
	{store.ErrSaid, http.StatusUnprocessableEntity, "invalid_request", "a withdrawal is answered with stopped, an erasure with deleted or kept, and either with accepted"},
	{store.ErrAnswer, http.StatusUnprocessableEntity, "invalid_request", "kept needs law, and deleted has none"},
	{store.ErrTooMany, http.StatusTooManyRequests, "too_many_sign_ups", "send it again in an hour"},
	{store.ErrAccount, http.StatusUnprocessableEntity, "invalid_request", "take another id"},
	{store.ErrInput, http.StatusUnprocessableEntity, "invalid_request", ""},
	{consent.ErrAddress, http.StatusUnprocessableEntity, "invalid_request", "the address must be one e-mail address, such as ann@example.com"},
}

// problemOf makes a problem of an error. What nobody expected goes to the log,
// and is answered without its words.
func (a *api) problemOf(ctx context.Context, operation string, err error) error {
	var known *Problem
	if err == nil || errors.As(err, &known) {
		return err
	}
	var flaws store.Flaws
	if errors.As(err, &flaws) {
		p := problem(http.StatusUnprocessableEntity, "cannot_be_asked", "the person cannot be asked by mail", "the address on file cannot be written to, such as for letters of several scripts that look alike")
		for _, one := range flaws {
			p.Errors = append(p.Errors, Fault{one.Field, one.Why})
		}
		return p
	}
	var unfit Unfit
	if errors.As(err, &unfit) {
		p := problem(http.StatusUnprocessableEntity, "cannot_be_sent", "this cannot be sent as it is", unfit.Hint)
		for _, text := range unfit.Problems {
			p.Errors = append(p.Errors, Fault{"body", text})
		}
		return p
	}
	for _, m := range meanings {
		if errors.Is(err, m.is) {
			return problem(m.status, m.code, lastWords(err), m.hint)
		}
	}
	if ctx.Err() == nil {
		a.log.Error("api_failed", "operation", operation, "cause", err)
	}
	p := problem(http.StatusServiceUnavailable, "unavailable", "nothing was done: the database cannot be reached, or did not answer in time",
		"send the request again after the seconds of Retry-After, with the same Idempotency-Key")
	return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {"30"}})
}

// lastWords leaves out the words of the step around all others.
func lastWords(err error) string {
	text := err.Error()
	for _, words := range []string{store.DoingOnce, store.Doing} {
		text = strings.TrimPrefix(text, words+": ")
	}
	return text
}
