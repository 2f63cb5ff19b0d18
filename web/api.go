package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"heed/consent"
	"heed/store"
)

// Doors says what programs find here beside people's pages.
type Doors struct {
	Desk Desk
	// Sandbox is where test keys lead: a store of its own, whose messages go to
	// nobody. Nil: test keys open nothing.
	Sandbox func(context.Context) (Room, error)
	// SandboxPages are what links of the sandbox lead to; it gives nil while the
	// sandbox is closed.
	SandboxPages func() http.Handler
	Rate         float64 // requests a second and key; 0: 50
	Providers    []Provider
	Partners     map[string][]string // by id, the fields of a person that a partner is given beside the address
}

// Room is what a key reaches.
type Room struct {
	Store     *store.Store
	Desk      Desk
	PublicURL string
	Simulated bool // nothing leaves it
}

// api is the HTTP API: operations on a mux of their own, described by
// themselves.
type api struct {
	huma  huma.API
	mux   *http.ServeMux
	log   *slog.Logger
	now   func() time.Time
	real  Room
	doors Doors
	rates *rates
	busy  sync.Map // keys of idempotency that are at work in this process

	open func()                 // makes the operations
	doc  func() ([]byte, error) // their description
}

// ourErrors makes huma answer with our problems; it has one place for that,
// which all servers of a process share.
var ourErrors = sync.OnceFunc(func() { huma.NewError = refusal })

// newAPI leaves the operations to the first request: what describes them takes a
// megabyte, and many an installation is never asked by a program.
func newAPI(o Options) *api {
	ourErrors()
	a := &api{mux: http.NewServeMux(), log: o.Log, now: o.Now, doors: o.Doors, rates: newRates(o.Doors.Rate, o.Now),
		real: Room{Store: o.Store, Desk: o.Doors.Desk, PublicURL: o.PublicURL}}
	a.open = sync.OnceFunc(func() {
		config := huma.Config{OpenAPI: description(), Formats: map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
			DefaultFormat: "application/json", RejectUnknownQueryParameters: true}
		a.huma = humago.New(a.mux, config)
		a.operations()
	})
	a.doc = sync.OnceValues(a.describe)
	return a
}

// operations registers all of them.
func (a *api) operations() {
	a.contacts()
	a.preferences()
	a.events()
	a.alerts()
	a.campaigns()
	a.cases()
	a.suppressions()
	a.partner()
}

// call is one request of a program.
type call struct {
	Room
	api     *api
	key     store.APIKey
	ctx     huma.Context
	arrived time.Time
	request store.Once
	kept    kept
}

type callOf struct{}

func calling(ctx context.Context) *call { return ctx.Value(callOf{}).(*call) }

// operation is what is said of each.
type operation struct {
	id, method, path string
	area             string // the scope that a key needs
	summary, text    string
	errors           []int // beside those that every operation has
	status           int   // 0: 200
	also             []int // further statuses of the same answer
	body             int64 // most bytes; 0: 64 KiB
}

const maxBody = 64 << 10

func (a *api) describes(o operation) huma.Operation {
	common := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	if o.method != http.MethodGet {
		common = append(common, http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge)
	}
	codes := slices.Compact(slices.Sorted(slices.Values(append(common, o.errors...))))
	if o.body == 0 {
		o.body = maxBody
	}
	return huma.Operation{OperationID: o.id, Method: o.method, Path: o.path, Tags: []string{o.area}, Summary: o.summary, Description: o.text,
		Errors: codes, DefaultStatus: o.status, MaxBodyBytes: o.body, Security: []map[string][]string{{"key": {o.area}}},
		Middlewares: huma.Middlewares{a.admit(o)}}
}

// reads registers an operation that changes nothing.
func reads[I, O any](a *api, o operation, do func(context.Context, *call, *I) (*O, error)) {
	huma.Register(a.huma, a.describes(o), func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, calling(ctx), in)
		return out, a.problemOf(ctx, o.id, err)
	})
	a.alsoAnswers(o)
}

// alsoAnswers describes the further statuses of an operation, and when it may be
// asked again.
func (a *api) alsoAnswers(o operation) {
	item := a.huma.OpenAPI().Paths[o.path]
	op := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPut: item.Put, http.MethodPost: item.Post, http.MethodDelete: item.Delete}[o.method]
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		op.Responses[strconv.Itoa(code)].Headers = map[string]*huma.Param{"Retry-After": {Description: "Seconds to wait.", Schema: &huma.Schema{Type: huma.TypeInteger}, Required: true}}
	}
	first := op.Responses[strconv.Itoa(op.DefaultStatus)]
	for _, code := range o.also {
		op.Responses[strconv.Itoa(code)] = &huma.Response{Description: http.StatusText(code), Headers: first.Headers, Content: first.Content}
	}
}

// Keyed is in the input of every operation that changes something.
type Keyed struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"A request that was done is not done again when it is sent again with the same key: its first answer is given, for 48 hours."`
}

func (k Keyed) name() string { return k.IdempotencyKey }

// changes registers an operation that changes something; all that it changes it
// does inside once.
func changes[I, O any](a *api, o operation, do func(context.Context, *call, *I) (*O, error)) {
	huma.Register(a.huma, a.describes(o), func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
		defer cancel()
		c := calling(ctx)
		out, err := changing(ctx, c, o.id, in, do)
		if err == nil {
			a.log.Info("api_changed", "operation", o.id, "key", c.key.ID, "simulated", c.Simulated)
		}
		return out, a.problemOf(ctx, o.id, err)
	})
	a.alsoAnswers(o)
}

// changing gives the answer of the first time, where there was one.
func changing[I, O any](ctx context.Context, c *call, id string, in *I, do func(context.Context, *call, *I) (*O, error)) (*O, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	c.request = store.Once{APIKey: c.key.ID, Request: id + " " + string(text)}
	if k, is := any(in).(interface{ name() string }); is {
		c.request.Name = k.name()
	}
	if c.request.Name == "" {
		return do(ctx, c, in)
	}
	place := fmt.Sprint(c.key.ID, " ", c.request.Name)
	if _, busy := c.api.busy.LoadOrStore(place, true); busy {
		return nil, problem(http.StatusConflict, "idempotency_key_in_progress", "a request with this Idempotency-Key is being done", "send it again in a moment: its answer is given then")
	}
	defer c.api.busy.Delete(place)
	if answer, before, err := c.Store.AnsweredOnce(ctx, c.request); err != nil || before {
		return answered[O](ctx, c, answer, true, err)
	}
	return do(ctx, c, in)
}

// kept is what is kept of an answer: what it says, and what is waited for before
// it is said.
type kept struct {
	Out      json.RawMessage
	Stopped  []string `json:",omitempty"` // address keys
	Campaign int64    `json:",omitempty"` // that was paused or cancelled
}

// once does what a request changes, in one transaction with its answer.
func once[O any](ctx context.Context, c *call, do func(context.Context) (*O, error)) (*O, error) {
	answer, before, err := c.Store.AnswerOnce(ctx, c.request, func(ctx context.Context) ([]byte, error) {
		c.kept = kept{}
		out, err := do(ctx)
		if err != nil {
			return nil, err
		}
		if c.kept.Out, err = json.Marshal(out); err != nil {
			return nil, err
		}
		return json.Marshal(c.kept)
	})
	return answered[O](ctx, c, answer, before, err)
}

// answered waits for messages of a stopped kind that are in flight, and gives
// the answer; the first time and every other.
func answered[O any](ctx context.Context, c *call, answer []byte, before bool, err error) (*O, error) {
	if err != nil {
		return nil, err
	}
	var k kept
	if err := json.Unmarshal(answer, &k); err != nil {
		return nil, fmt.Errorf("reading an earlier answer: %w", err)
	}
	if err := c.settle(ctx, k); err != nil {
		return nil, err
	}
	if before {
		c.ctx.SetHeader("Idempotent-Replayed", "true")
	}
	out := new(O)
	return out, json.Unmarshal(k.Out, out)
}

// stops has the answer wait for messages to an address.
func (c *call) stops(key consent.Key) { c.kept.Stopped = append(c.kept.Stopped, key.String()) }

func (c *call) settle(ctx context.Context, k kept) error {
	var inFlight int
	if len(k.Stopped) > 0 {
		var keys []consent.Key
		for _, text := range k.Stopped {
			key, err := consent.ParseKey(text)
			if err != nil {
				return err
			}
			keys = append(keys, key)
		}
		n, err := c.Store.AwaitClaims(ctx, keys)
		if err != nil {
			return err
		}
		inFlight += n
	}
	if k.Campaign != 0 {
		n, err := c.Store.AwaitCampaign(ctx, k.Campaign)
		if err != nil {
			return err
		}
		inFlight += n
	}
	if len(k.Stopped) > 0 || k.Campaign != 0 {
		c.ctx.SetHeader("Heed-In-Flight", strconv.Itoa(inFlight))
	}
	return nil
}

// ServeHTTP answers in the form of a problem also where there is no such
// operation.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.open()
	if r.URL.Path == "/v1/openapi.json" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		doc, err := a.doc()
		if err != nil {
			writeProblem(w, problem(http.StatusInternalServerError, "failed", "the description cannot be written", "heed api describe tells why"))
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(doc) // a client that has gone away needs no description
		return
	}
	handler, pattern := a.mux.Handler(r)
	if pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	other := &deaf{header: http.Header{}}
	handler.ServeHTTP(other, r)
	p := problem(http.StatusNotFound, "no_such_operation", "there is nothing at this address", "/v1/openapi.json lists every operation")
	if allow := other.header.Get("Allow"); other.code == http.StatusMethodNotAllowed {
		p = problem(http.StatusMethodNotAllowed, "method_not_allowed", "there is no such operation with this method", "allowed: "+allow)
		w.Header().Set("Allow", allow)
	}
	writeProblem(w, p)
}

// deaf takes an answer that nobody gets.
type deaf struct {
	header http.Header
	code   int
}

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) WriteHeader(code int)        { d.code = code }
func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that has gone away needs no answer
}
