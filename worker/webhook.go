package worker

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Webhook is a server of somebody else that is told something, in the way of
// Standard Webhooks: the id stays the same when a message is sent again, and
// the signature covers id, time and body.
type Webhook struct {
	URL        string
	SecretFile string // whsec_BASE64, or any line of text; several lines while the secret is changed
	// Public refuses a host whose address is private or of this machine, looked
	// at after the name was resolved.
	Public bool
}

const (
	webhookTime   = 10 * time.Second
	webhookAnswer = 64 << 10 // of what is read of an answer
)

// CheckWebhookURL wants TLS wherever the message leaves this machine.
func CheckWebhookURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return errors.New("it must be like https://alarms.example.com/heed")
	}
	if u.Scheme == "https" || u.Scheme == "http" && onLoopback(u.Hostname()) {
		return nil
	}
	return errors.New("it must begin with https:// (http:// is for loopback hosts only)")
}

func onLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// webhooks follows no redirect: a signed message goes where it was meant to go
// or nowhere.
var webhooks = &http.Client{
	Timeout:       webhookTime,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: webhookTime}).DialContext, TLSHandshakeTimeout: webhookTime,
		ResponseHeaderTimeout: webhookTime, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment},
}

// publicWebhooks reaches no address of an inner network, whatever a name says
// at the moment of the call. It uses no proxy, which would look up for itself.
var publicWebhooks = &http.Client{
	Timeout:       webhookTime,
	CheckRedirect: webhooks.CheckRedirect,
	Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: webhookTime, Control: publicOnly}).DialContext, TLSHandshakeTimeout: webhookTime,
		ResponseHeaderTimeout: webhookTime, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute},
}

var errPrivate = errors.New("its address is private; allow_private = true allows that")

// publicOnly sees the address that is about to be dialled.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || sharedSpace.Contains(ip) || ip.Is6() && embedsIPv4.Contains(ip) {
		return errPrivate
	}
	return nil
}

var (
	sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	embedsIPv4  = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052: could lead back inside
)

// Post sends a message and gives what the server answered. An error says what
// went wrong without the address, which may hold a secret.
func (h Webhook) Post(ctx context.Context, id string, now time.Time, body []byte) (answer []byte, err error) {
	response, answer, err := h.call(ctx, id, now, body)
	if err == nil && response.StatusCode/100 != 2 {
		return nil, fmt.Errorf("the webhook answered %d", response.StatusCode)
	}
	return answer, err
}

// call gives what the server answered, whatever it is.
func (h Webhook) call(ctx context.Context, id string, now time.Time, body []byte) (*http.Response, []byte, error) {
	r, err := h.request(ctx, id, now, body)
	if err != nil {
		return nil, nil, err
	}
	client := webhooks
	if h.Public {
		client = publicWebhooks
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("calling the webhook: %w", withoutURL(err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, webhookAnswer))
	if err != nil && response.StatusCode/100 == 2 {
		return nil, nil, fmt.Errorf("reading the webhook's answer: %w", err)
	}
	return response, answer, nil
}

// request signs a message with every secret, so that the receiver can go over
// from one to the next.
func (h Webhook) request(ctx context.Context, id string, now time.Time, body []byte) (*http.Request, error) {
	secrets, err := h.Secrets()
	if err != nil {
		return nil, err
	}
	var signatures []string
	for _, secret := range secrets {
		one, err := standardwebhooks.NewWebhookRaw(secret)
		if err != nil {
			return nil, err
		}
		signature, err := one.Sign(id, now, body)
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		signatures = append(signatures, signature)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address of the webhook cannot be read")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "heed")
	r.Header.Set(standardwebhooks.HeaderWebhookID, id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return r, nil
}

// Secrets are read for each message, so that they can be changed at any time:
// one a line, the newest first.
func (h Webhook) Secrets() (all [][]byte, err error) {
	raw, err := os.ReadFile(h.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("reading the secret of the webhook: %w", err)
	}
	for text := range strings.Lines(string(raw)) {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		secret, err := webhookSecret(text)
		if err != nil {
			return nil, err
		}
		all = append(all, secret)
	}
	if len(all) == 0 {
		return nil, errors.New("the file with the secret of the webhook is empty")
	}
	return all, nil
}

func webhookSecret(text string) ([]byte, error) {
	if coded, found := strings.CutPrefix(text, "whsec_"); found {
		raw, err := base64.StdEncoding.DecodeString(coded)
		if err != nil {
			return nil, errors.New("the secret of the webhook begins with whsec_ but is no base64")
		}
		text = string(raw)
	}
	if len(text) < 16 {
		return nil, errors.New("the secret of the webhook must have at least 16 characters")
	}
	return []byte(text), nil
}

func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
