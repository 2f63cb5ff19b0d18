package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// transport is the Redis that carries the numbers of jobs.
type transport struct {
	redis.UniversalClient
	embedded bool
	close    func()
}

// openRedis makes a client; nothing is asked yet. Without an address Redis
// runs in this process, in memory, without a port.
func openRedis(address string) (*transport, error) {
	hushRedis()
	if address == "" {
		return embeddedRedis(), nil
	}
	client, err := dialRedis(address)
	if err != nil {
		return nil, err
	}
	return &transport{UniversalClient: client, close: func() { client.Close() }}, nil
}

// hushRedis keeps go-redis from writing lines of its own between the events of the
// log. What goes wrong with Redis is an event already: queue_note, queue_unreachable.
var hushRedis = sync.OnceFunc(func() { redis.SetLogger(hushed{}) })

type hushed struct{}

// Printf implements go-redis's logger.
func (hushed) Printf(context.Context, string, ...any) {}

var errRedisURL = hinted(errors.New("REDIS_URL cannot be read"),
	"write redis://[user:password@]host:6379/0, rediss://…, unix:///path/redis.sock, redis+sentinel://host:26379?master_name=NAME&addr=host2:26379 or redis+cluster://host:6379?addr=host2:6379")

// dialRedis chooses the client by the scheme. Errors never repeat the address,
// which holds a password.
func dialRedis(address string) (redis.UniversalClient, error) {
	scheme, rest, _ := strings.Cut(address, "://")
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled} // of no use outside Redis Cloud
	switch scheme {
	case "redis", "rediss", "unix":
		options, err := redis.ParseURL(address)
		if err != nil {
			return nil, errRedisURL
		}
		options.MaintNotificationsConfig = quiet
		small(&options.ReadBufferSize, &options.WriteBufferSize, &options.PipelineReadBufferSize, &options.PipelineWriteBufferSize)
		return redis.NewClient(options), nil
	case "redis+sentinel", "rediss+sentinel":
		options, err := redis.ParseFailoverURL(strings.TrimSuffix(scheme, "+sentinel") + "://" + rest)
		if err != nil || options.MasterName == "" {
			return nil, errRedisURL
		}
		small(&options.ReadBufferSize, &options.WriteBufferSize, &options.PipelineReadBufferSize, &options.PipelineWriteBufferSize)
		return redis.NewFailoverClient(options), nil
	case "redis+cluster", "rediss+cluster":
		options, err := redis.ParseClusterURL(strings.TrimSuffix(scheme, "+cluster") + "://" + rest)
		if err != nil {
			return nil, errRedisURL
		}
		options.MaintNotificationsConfig = quiet
		small(&options.ReadBufferSize, &options.WriteBufferSize, &options.PipelineReadBufferSize, &options.PipelineWriteBufferSize)
		return redis.NewClusterClient(options), nil
	}
	return nil, errRedisURL
}

// small makes the buffers of a connection fit what goes through them, numbers of jobs:
// what go-redis takes for two dozen connections is more than a megabyte. An address
// may say otherwise.
func small(sizes ...*int) {
	for _, size := range sizes {
		if *size == 0 {
			*size = 8 << 10
		}
	}
}

// embeddedRedis runs Redis in this process, without a port. Its clock has to
// be told that time passes, or locks would never expire.
func embeddedRedis() *transport {
	server := miniredis.NewMiniRedis()
	client := inProcess(server)
	done := make(chan struct{})
	go age(server, done)
	return &transport{client, true, sync.OnceFunc(func() {
		close(done)
		client.Close()
		server.Close()
	})}
}

func inProcess(server *miniredis.Miniredis) *redis.Client {
	options := &redis.Options{
		Addr:                     "in-process",
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return server.Dial() },
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	small(&options.ReadBufferSize, &options.WriteBufferSize, &options.PipelineReadBufferSize, &options.PipelineWriteBufferSize)
	client := redis.NewClient(options)
	client.AddHook(scripts{server, &sync.RWMutex{}})
	return client
}

func age(server *miniredis.Miniredis, done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			server.FastForward(time.Second)
		}
	}
}

// oldestRedis is the version that has all commands that the queues use.
const oldestRedis = 6.2

// errUnfit means that this Redis must not be used as it is.
var errUnfit = errors.New("this Redis cannot carry the queues")

// fit asks whether Redis answers, is new enough, and never drops what it
// holds. warn is told where it will not say.
func (t *transport) fit(ctx context.Context, warn func(string)) error {
	if t.embedded {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := t.Ping(ctx).Err(); err != nil {
		return hinted(fmt.Errorf("reaching Redis: %w", err), "check REDIS_URL, and that Redis runs")
	}
	info, err := t.Info(ctx, "server").Result()
	if err != nil {
		warn("Redis does not tell its version: " + err.Error())
	} else if old := version(info); old != 0 && old < oldestRedis {
		return hinted(fmt.Errorf("%w: it is version %v", errUnfit, old), "install Redis 6.2 or newer, or Valkey")
	}
	return t.keeps(ctx, warn)
}

// keeps looks whether Redis evicts keys when its memory is full: it would lose
// tasks in silence.
func (t *transport) keeps(ctx context.Context, warn func(string)) error {
	settings, err := t.ConfigGet(ctx, "maxmemory-policy").Result()
	policy, told := settings["maxmemory-policy"]
	if err != nil || !told {
		warn("Redis does not tell its maxmemory-policy, which must be noeviction")
		return nil
	}
	if policy != "noeviction" {
		return hinted(fmt.Errorf("%w: its maxmemory-policy is %s, so it would drop work when its memory is full", errUnfit, policy),
			"redis-cli CONFIG SET maxmemory-policy noeviction, and the same line in redis.conf")
	}
	return nil
}

// version reads major.minor out of INFO; 0 where it is not there.
func version(info string) float64 {
	_, rest, found := strings.Cut(info, "redis_version:")
	if !found {
		return 0
	}
	parts := strings.SplitN(strings.TrimSpace(rest), ".", 3)
	if len(parts) < 2 {
		return 0
	}
	n, _ := strconv.ParseFloat(parts[0]+"."+parts[1], 64)
	return n
}
