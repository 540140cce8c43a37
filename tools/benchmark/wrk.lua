-- The request that wrk sends, from the environment, and one line with what came of it.
-- BENCH_HEADERS: lines "Name: value"; BENCH_BODY_BYTES: above 0, a POST; BENCH_PIPELINE: requests at once;
-- BENCH_FRESH_IDS: 1 gives each of 1000 requests in a row an X-Request-Id of its own.

local body_bytes = tonumber(os.getenv("BENCH_BODY_BYTES"))
local pipeline = tonumber(os.getenv("BENCH_PIPELINE"))

for name, value in os.getenv("BENCH_HEADERS"):gmatch("([^:\n]+): ([^\n]*)\n") do
    wrk.headers[name] = value
end

if body_bytes > 0 then
    wrk.method = "POST"
    wrk.body = string.rep("x", body_bytes)
    wrk.headers["Content-Type"] = "application/octet-stream"
end

if os.getenv("BENCH_FRESH_IDS") == "1" then
    local requests = {}
    local last = 0

    -- Called once for a thread, after wrk has filled in Host.
    function init(_)
        for n = 1, 1000 do
            wrk.headers["X-Request-Id"] = string.format("req-%08x-5b1d-4c58-9a37-d0a4f1c2b7e6", n)
            requests[n] = wrk.format()
        end
    end

    function request()
        last = last % #requests + 1
        return requests[last]
    end
elseif pipeline > 1 then
    local batch

    -- Called once for a thread, after wrk has filled in Host.
    function init(_)
        batch = string.rep(wrk.format(), pipeline)
    end

    function request()
        return batch
    end
end

function done(summary, latency, _)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, failed,
        summary.bytes, latency:percentile(99)))
end
