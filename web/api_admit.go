package web

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"heed/store"
)

// admit lets a request through that has a key which is good for the operation.
// It looks at nothing else of the request before.
func (a *api) admit(o operation) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c := &call{api: a, ctx: ctx, arrived: a.now()}
		if p := a.admits(c, o); p != nil {
			_, w := humago.Unwrap(ctx)
			writeProblem(w, p)
			return
		}
		next(huma.WithValue(ctx, callOf{}, c))
	}
}

func (a *api) admits(c *call, o operation) *Problem {
	network := networkOf(c.ctx.RemoteAddr())
	key, p := a.keyOf(c.ctx)
	if p != nil {
		if p.Status == http.StatusUnauthorized {
			c.ctx.SetHeader("WWW-Authenticate", `Bearer realm="heed"`) // RFC 6750 §3
			if wait := a.rates.failed(network); wait > 0 {
				return c.tooMany(wait, "too many requests with a wrong key come from this network")
			}
		}
		return p
	}
	c.key = key
	if wait := a.rates.used(key.ID); wait > 0 {
		return c.tooMany(wait, "this key sends requests too fast")
	}
	if !key.May(o.area, o.method != http.MethodGet) {
		return problem(http.StatusForbidden, "scope_missing", "this key is not good for "+o.area+" with "+o.method, scopeHint(o.area))
	}
	if _, known := a.doors.Partners[key.Partner()]; !known && key.Partner() != "" {
		return problem(http.StatusForbidden, "partner_unknown", "the partner of this key is given nothing any more", "whoever runs this server can say why: no [[partner]] of heed.toml has the id")
	}
	return a.lead(c)
}

func scopeHint(area string) string {
	if area == store.PartnerArea {
		return "only a partner's own key reads its feed: heed token create NAME --scope partner:ID makes one"
	}
	return "heed token create makes a key with the scopes that are needed"
}

// lead chooses what the key reaches. A test key never comes near the store of
// real people.
func (a *api) lead(c *call) *Problem {
	c.Room = a.real
	if c.key.Test {
		if a.doors.Sandbox == nil {
			return problem(http.StatusForbidden, "no_sandbox", "this server has no sandbox for test keys", "take a live key, or ask whoever runs it")
		}
		room, err := a.doors.Sandbox(c.ctx.Context())
		if err != nil {
			a.log.Error("sandbox_failed", "cause", err)
			c.ctx.SetHeader("Retry-After", "30")
			return problem(http.StatusServiceUnavailable, "unavailable", "the sandbox could not be opened", "send the request again")
		}
		c.Room = room
	}
	if err := a.real.Store.APIKeyUsed(c.ctx.Context(), c.key); err != nil {
		a.log.Warn("api_key_unnoted", "key", c.key.ID, "cause", err)
	}
	return nil
}

// keyOf finds the key of a request (RFC 6750 §2.1).
func (a *api) keyOf(ctx huma.Context) (store.APIKey, *Problem) {
	scheme, secret, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if secret = strings.TrimSpace(secret); !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return store.APIKey{}, problem(http.StatusUnauthorized, "key_missing", "there is no key", "send Authorization: Bearer KEY; heed token create makes one")
	}
	looking, cancel := context.WithTimeout(ctx.Context(), lookWithin)
	defer cancel()
	key, err := a.real.Store.APIKeyOf(looking, secret)
	switch state := key.State(a.now()); {
	case errors.Is(err, store.ErrNoKey):
		return key, problem(http.StatusUnauthorized, "key_unknown", "this key is none of ours", "check that it is whole; heed token list shows how each begins")
	case err != nil:
		a.log.Error("api_failed", "operation", "key", "cause", err)
		ctx.SetHeader("Retry-After", "30")
		return key, problem(http.StatusServiceUnavailable, "unavailable", "nothing was done: the database cannot be reached", "send the request again after the seconds of Retry-After")
	case state != "active":
		return key, problem(http.StatusUnauthorized, "key_"+state, "this key is "+state, "heed token create makes a new one")
	}
	return key, nil
}

func (c *call) tooMany(wait time.Duration, text string) *Problem {
	c.ctx.SetHeader("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return problem(http.StatusTooManyRequests, "too_many_requests", text, "wait for the seconds of Retry-After")
}

// networkOf is the network that an address counts for: one household or server
// has a whole /64 of IPv6.
func networkOf(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return ""
	}
	ip, bits := at.Addr().Unmap(), 24
	if ip.Is6() {
		bits = 64
	}
	network, err := ip.Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}

// How many requests are let through: of a key by the second, and of wrong keys
// from a network by the minute. A right key is never refused for the wrong ones
// of its neighbours.
const (
	keyRate      = 50.0
	keyBurst     = 4   // seconds of them at once
	failedRate   = 0.2 // a second
	failedBurst  = 20
	mostNetworks = 10000
)

// rates are buckets that fill with time and that each request takes from.
type rates struct {
	mu       sync.Mutex
	now      func() time.Time
	rate     float64
	keys     map[int64]*bucket
	networks map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func newRates(rate float64, now func() time.Time) *rates {
	if rate == 0 {
		rate = keyRate
	}
	return &rates{now: now, rate: rate, keys: map[int64]*bucket{}, networks: map[string]*bucket{}}
}

// take gives how long to wait, 0 where the request may come in.
func (r *rates) take(b *bucket, rate, burst float64) time.Duration {
	now := r.now()
	if b.at.IsZero() {
		b.left = burst
	} else {
		b.left = min(burst, b.left+now.Sub(b.at).Seconds()*rate)
	}
	b.at = now
	if b.left < 1 {
		return time.Duration((1 - b.left) / rate * float64(time.Second))
	}
	b.left--
	return 0
}

func (r *rates) used(key int64) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys[key] == nil {
		r.keys[key] = &bucket{}
	}
	return r.take(r.keys[key], r.rate, max(1, r.rate*keyBurst))
}

func (r *rates) failed(network string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.networks) > mostNetworks {
		clear(r.networks) // whoever has so many networks is not stopped by this
	}
	if r.networks[network] == nil {
		r.networks[network] = &bucket{}
	}
	return r.take(r.networks[network], failedRate, failedBurst)
}
