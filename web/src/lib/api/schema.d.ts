// Made by `npm run types` of openapi.json (SHA-256 393224cae1e6ffe8079ffa4f317086be8fa96360d1ffe3719632f17b4d4957bd): do not edit.

export interface paths {
    "/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is signed in */
        get: operations["session"];
        put?: never;
        /** Sign in with an API key; the answer sets a cookie */
        post: operations["signIn"];
        /** Sign out */
        delete: operations["signOut"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The models that are here, in the catalogue, or computed elsewhere */
        get: operations["models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All that is known of a model */
        get: operations["model"];
        put?: never;
        post?: never;
        /** Remove a model from this disk */
        delete: operations["removeModel"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{name}/load": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Load a model; answers when it is */
        post: operations["loadModel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{name}/unload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Unload a model; answers when it is */
        post: operations["unloadModel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models/{name}/pin": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Never unload a model for others, or do */
        post: operations["pinModel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pulls": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is being fetched */
        get: operations["pulls"];
        put?: never;
        /** Fetch a model, or go on with it */
        post: operations["startPull"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pulls/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stop a pull for now */
        post: operations["pausePull"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pulls/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Go on with a pull */
        post: operations["resumePull"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pulls/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Give a pull up and remove what it has fetched */
        delete: operations["removePull"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/system": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the server runs on and how it is set up */
        get: operations["system"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/system/measure": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Measure what the machine can do at most */
        post: operations["measureSystem"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/system/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the engines do now */
        get: operations["stats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What happens, as it happens: pull (a Pull) and models (something about models changed) */
        get: operations["events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The API keys, without their secrets */
        get: operations["keys"];
        put?: never;
        /** Make an API key; its secret is told this once */
        post: operations["makeKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revoke an API key and end its sessions */
        delete: operations["revokeKey"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A key, without its secret. */
        ApiKey: {
            /** @description Names it for revoking it. */
            id: string;
            /** @description What a person calls it. */
            name: string;
            /** @description May change models, keys and settings. */
            admin: boolean;
            /** @description When it was made. */
            created: string;
            /** @description When it ends. */
            expires: string | null;
            /** @description Whether it has ended. */
            expired: boolean;
            /** @description Whether this request came with it. */
            current: boolean;
            /**
             * Format: uint64
             * @description Requests in a minute.
             */
            requests_per_minute: number | null;
            /**
             * Format: uint64
             * @description Tokens, of prompts and answers, in a minute.
             */
            tokens_per_minute: number | null;
            /**
             * Format: uint64
             * @description Tokens, of prompts and answers, in a day (UTC).
             */
            tokens_per_day: number | null;
            /** @description The models that it may use; empty means all. */
            models: string[];
        };
        /** @description One cache of the processor. */
        CpuCache: {
            /**
             * Format: uint32
             * @description 1 is nearest to the core.
             */
            level: number;
            /**
             * Format: uint64
             * @description Its size.
             */
            bytes: number;
            /**
             * Format: uint
             * @description Hardware threads that share it.
             */
            shared_by: number;
        };
        /** @description Whether a model fits the memory that models may take. */
        Fits: "yes" | "tight" | "no";
        /** @description The keys. */
        KeyList: {
            /** @description The oldest first. */
            keys: components["schemas"]["ApiKey"][];
        };
        /** @description How a model is loaded. */
        Loaded: {
            state: components["schemas"]["LoadedAs"];
            /**
             * Format: uint64
             * @description Bytes reserved for it.
             */
            bytes: number;
            /** @description Since when; null while it is being loaded. */
            since: string | null;
            /** @description When it was last in use. */
            last_used: string | null;
            /**
             * Format: uint64
             * @description Requests that hold it.
             */
            in_use: number;
            /**
             * Format: uint64
             * @description Sequences that are being computed.
             */
            sequences: number;
        };
        /** @description How far a model is. */
        LoadedAs: "loading" | "ready";
        /** @description Memory and threads for models. */
        Machine: {
            /**
             * Format: uint64
             * @description Bytes of memory; 0 where the system does not tell.
             */
            memory_total: number;
            /**
             * Format: uint64
             * @description Bytes that new work can have without swapping; 0 where the system does not tell.
             */
            memory_free: number;
            /**
             * Format: uint64
             * @description Bytes that all loaded models together may take.
             */
            budget: number;
            /**
             * Format: uint64
             * @description Bytes that they take.
             */
            used: number;
            /**
             * Format: uint
             * @description Threads that compute.
             */
            threads: number;
        };
        /** @description A key that was just made. */
        MadeKey: {
            /** @description Names it for revoking it. */
            id: string;
            /** @description What a person calls it. */
            name: string;
            /** @description May change models, keys and settings. */
            admin: boolean;
            /** @description When it was made. */
            created: string;
            /** @description When it ends. */
            expires: string | null;
            /** @description Whether it has ended. */
            expired: boolean;
            /** @description Whether this request came with it. */
            current: boolean;
            /**
             * Format: uint64
             * @description Requests in a minute.
             */
            requests_per_minute: number | null;
            /**
             * Format: uint64
             * @description Tokens, of prompts and answers, in a minute.
             */
            tokens_per_minute: number | null;
            /**
             * Format: uint64
             * @description Tokens, of prompts and answers, in a day (UTC).
             */
            tokens_per_day: number | null;
            /** @description The models that it may use; empty means all. */
            models: string[];
            /** @description The key itself: told this once and kept nowhere. */
            secret: string;
        };
        /** @description Memory at a context. */
        MemoryAt: {
            /**
             * Format: uint64
             * @description Tokens.
             */
            context: number;
            /**
             * Format: uint64
             * @description Bytes.
             */
            bytes: number;
        };
        /** @description A model that is here, that can be fetched, or that other machines compute. */
        Model: {
            /** @description The name that finds it. */
            name: string;
            /** @description Its name as its makers write it. */
            title: string;
            /** @description The family that it belongs to; empty where it is not known. */
            family: string;
            /** @description What it is good for, and what not. */
            description: string;
            /** @description What one may want it for: `chat`, `write`, `code`, `search`. */
            goals: string[];
            /** @description What it can do: `chat`, `complete` … */
            capabilities: string[];
            /**
             * Format: uint64
             * @description How many parameters it has.
             */
            parameters: number | null;
            /** @description How its weights are stored. */
            quantisation: string | null;
            /**
             * Format: uint64
             * @description The longest context that it can have, in tokens.
             */
            context: number | null;
            /**
             * Format: uint64
             * @description Bytes on disk, or to be fetched when it is not here.
             */
            bytes: number | null;
            /**
             * Format: uint64
             * @description Bytes of memory that it takes at least to run; measured with a context of 8 192 tokens where it can have that.
             */
            memory_needed: number | null;
            /** @description Whether the memory for models holds it. */
            fits: components["schemas"]["Fits"];
            /** @description What its terms are called. */
            licence: string | null;
            /** @description Where they can be read. */
            licence_url: string | null;
            /** @description Whether they must be accepted before it is fetched. */
            licence_asks: boolean;
            /** @description Whether it is on this disk. */
            installed: boolean;
            /** @description Whether other machines compute it. */
            remote: boolean;
            /** @description How it is loaded; null when it is not. */
            loaded: components["schemas"]["Loaded"] | null;
            /** @description Whether it is never unloaded for others. */
            pinned: boolean;
            /** @description Whether it is taken when no model is named. */
            default: boolean;
        };
        /** @description All that is known of a model. */
        ModelDetails: {
            /** @description The name that finds it. */
            name: string;
            /** @description Its name as its makers write it. */
            title: string;
            /** @description The family that it belongs to; empty where it is not known. */
            family: string;
            /** @description What it is good for, and what not. */
            description: string;
            /** @description What one may want it for: `chat`, `write`, `code`, `search`. */
            goals: string[];
            /** @description What it can do: `chat`, `complete` … */
            capabilities: string[];
            /**
             * Format: uint64
             * @description How many parameters it has.
             */
            parameters: number | null;
            /** @description How its weights are stored. */
            quantisation: string | null;
            /**
             * Format: uint64
             * @description The longest context that it can have, in tokens.
             */
            context: number | null;
            /**
             * Format: uint64
             * @description Bytes on disk, or to be fetched when it is not here.
             */
            bytes: number | null;
            /**
             * Format: uint64
             * @description Bytes of memory that it takes at least to run; measured with a context of 8 192 tokens where it can have that.
             */
            memory_needed: number | null;
            /** @description Whether the memory for models holds it. */
            fits: components["schemas"]["Fits"];
            /** @description What its terms are called. */
            licence: string | null;
            /** @description Where they can be read. */
            licence_url: string | null;
            /** @description Whether they must be accepted before it is fetched. */
            licence_asks: boolean;
            /** @description Whether it is on this disk. */
            installed: boolean;
            /** @description Whether other machines compute it. */
            remote: boolean;
            /** @description How it is loaded; null when it is not. */
            loaded: components["schemas"]["Loaded"] | null;
            /** @description Whether it is never unloaded for others. */
            pinned: boolean;
            /** @description Whether it is taken when no model is named. */
            default: boolean;
            /** @description Its architecture, as its file names it. */
            architecture: string | null;
            /**
             * Format: uint64
             * @description Layers of its decoder.
             */
            layers: number | null;
            /**
             * Format: uint64
             * @description Attention heads in each.
             */
            heads: number | null;
            /**
             * Format: uint64
             * @description Tokens in its vocabulary.
             */
            vocabulary: number | null;
            /** @description The template that makes a prompt of a conversation. */
            chat_template: string | null;
            /** @description SHA-256 of its file. */
            digest: string | null;
            /** @description Where it lies; told to administrators only. */
            path: string | null;
            /** @description What it takes at some contexts. */
            memory_by_context: components["schemas"]["MemoryAt"][];
        };
        /** @description The models, and what this machine has for them. */
        ModelList: {
            machine: components["schemas"]["Machine"];
            models: components["schemas"]["Model"][];
        };
        /** @description What one loaded model does now. */
        ModelStats: {
            /** @description The name that finds it. */
            name: string;
            /** @description `loading`, `ready` or `remote`. */
            state: string;
            /**
             * Format: uint64
             * @description Sequences that are being computed; of a remote model, requests that are being answered.
             */
            running: number;
            /**
             * Format: uint64
             * @description Requests that wait for a place.
             */
            waiting: number;
            /**
             * Format: uint64
             * @description Bytes reserved for it.
             */
            bytes: number;
            /**
             * Format: double
             * @description As for all models.
             */
            prompt_tokens_per_second: number;
            /**
             * Format: double
             * @description As for all models.
             */
            generated_tokens_per_second: number;
            /**
             * Format: uint64
             * @description Blocks of its key and value cache.
             */
            cache_blocks: number;
            /**
             * Format: uint64
             * @description Of these, how many are in use.
             */
            cache_blocks_used: number;
        };
        /** @description What a new key may do. */
        NewKey: {
            /** @description What a person calls it; no other key may be called so. */
            name: string;
            /**
             * @description May change models, keys and settings.
             * @default false
             */
            admin?: boolean;
            /**
             * Format: uint64
             * @description Requests in a minute.
             * @default null
             */
            requests_per_minute?: number | null;
            /**
             * Format: uint64
             * @description Tokens, of prompts and answers, in a minute.
             * @default null
             */
            tokens_per_minute?: number | null;
            /**
             * Format: uint64
             * @description Tokens, of prompts and answers, in a day (UTC).
             * @default null
             */
            tokens_per_day?: number | null;
            /**
             * @description The models that it may use; none named means all.
             * @default []
             */
            models?: string[];
            /**
             * @description When it ends, as RFC 3339 writes times.
             * @default null
             */
            expires?: string | null;
        };
        /** @description What to fetch. */
        NewPull: {
            /** @description A name of the catalogue, or `hf:owner/repo` with `:file` or `:quantisation`. */
            model: string;
            /**
             * @description Whether its terms are accepted, where it has some that must be.
             * @default false
             */
            accept_licence?: boolean;
        };
        ParasolError: {
            error: {
                code: string;
                message: string;
            };
        };
        /** @description Whether a model is kept. */
        Pin: {
            /** @description Never unload it for others. */
            pinned: boolean;
        };
        /** @description A model that is, was or will be fetched. */
        Pull: {
            /** @description Names the pull. */
            id: string;
            /** @description The model. */
            model: string;
            /** @description Where it stands. */
            state: components["schemas"]["PullState"];
            /** @description The file that is being fetched or checked. */
            file: string | null;
            /**
             * Format: uint64
             * @description Bytes here so far, those of earlier tries included.
             */
            done: number;
            /**
             * Format: uint64
             * @description Bytes in all, where the source says.
             */
            total: number | null;
            /**
             * Format: uint64
             * @description Bytes a second over the last seconds.
             */
            bytes_per_second: number;
            /** @description Why it failed. */
            error: string | null;
        };
        /** @description All pulls. */
        PullList: {
            /** @description The oldest first. */
            pulls: components["schemas"]["Pull"][];
        };
        /** @description Where a pull stands. */
        PullState: "running" | "paused" | "failed" | "done";
        /** @description Who is using the page. */
        Session: {
            /** @description Whether the server wants an API key. */
            required: boolean;
            /** @description Whether one was given. */
            signed_in: boolean;
            /** @description What the key is called. */
            name: string | null;
            /** @description Whether models, keys and settings may be changed. */
            admin: boolean;
        };
        /** @description A setting as a person set it. */
        Setting: {
            /** @description What it is called in the configuration file. */
            key: string;
            /** @description What it is set to; empty where it is left open. */
            value: string;
            /** @description Where that was said: a flag, a variable, a line of the file, or `default`. */
            source: string;
            /** @description What it does. */
            meaning: string;
        };
        /** @description What signing in takes. */
        SignIn: {
            /** @description The API key. */
            key: string;
        };
        /** @description What the server does now. */
        Stats: {
            /** @description When that was. */
            time: string;
            /**
             * Format: uint64
             * @description Sequences that are being computed.
             */
            running: number;
            /**
             * Format: uint64
             * @description Requests that wait for a place.
             */
            waiting: number;
            /**
             * Format: double
             * @description Prompt tokens computed a second; what was found in the cache is not counted.
             */
            prompt_tokens_per_second: number;
            /**
             * Format: double
             * @description Tokens generated a second.
             */
            generated_tokens_per_second: number;
            /**
             * Format: double
             * @description The share of the last minute's prompt tokens that was found in the cache; null when there were none.
             */
            cached_fraction: number | null;
            /**
             * Format: uint64
             * @description Bytes reserved for loaded models.
             */
            memory_used: number;
            /**
             * Format: uint64
             * @description Bytes that they may take.
             */
            memory_budget: number;
            /**
             * Format: uint64
             * @description Bytes that the process holds, where the system tells.
             */
            resident: number | null;
            models: components["schemas"]["ModelStats"][];
        };
        /** @description The server and its machine. */
        System: {
            /** @description Parasol's version. */
            version: string;
            /**
             * Format: uint64
             * @description For how long the server has run.
             */
            uptime_ms: number;
            /** @description The processor's name, where the system tells. */
            cpu: string | null;
            /** @description The processor's architecture: `x86_64`, `aarch64` … */
            architecture: string;
            /** @description The operating system. */
            system: string;
            /** @description The processor's extensions that matter to models. */
            features: string[];
            /** @description The instruction set that the kernels use. */
            isa: string;
            /** @description Those that they could use here, the fastest first. */
            isas: string[];
            /**
             * Format: uint
             * @description Threads that models compute with.
             */
            threads: number;
            /**
             * Format: uint
             * @description Cores of the processor, where the system tells.
             */
            cores: number | null;
            /** @description The data caches of a core, from the nearest to the farthest. */
            caches: components["schemas"]["CpuCache"][];
            /**
             * Format: uint64
             * @description Bytes of memory, or what the container allows; 0 where the system does not tell.
             */
            memory_total: number;
            /**
             * Format: uint64
             * @description Bytes that new work can have without swapping; 0 where the system does not tell.
             */
            memory_free: number;
            /**
             * Format: uint64
             * @description Bytes that all loaded models together may take.
             */
            memory_budget: number;
            /**
             * Format: uint64
             * @description Bytes that they take.
             */
            memory_used: number;
            /**
             * Format: double
             * @description Bytes a second that all threads together read from memory; null before it was measured.
             */
            read_bandwidth: number | null;
            /**
             * Format: double
             * @description 8-bit multiplications and additions a second; null before it was measured.
             */
            int8_peak: number | null;
            /**
             * Format: double
             * @description Single precision multiplications and additions a second; null before it was measured.
             */
            f32_peak: number | null;
            /** @description How the server is set up; told to administrators only. */
            settings: components["schemas"]["Setting"][];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    signIn: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    signOut: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelList"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    model: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelDetails"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    removeModel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description It failed */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description It took too long */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    loadModel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Model"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description It failed */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no room, or too much runs already */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    unloadModel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Model"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description It took too long */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    pinModel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Pin"];
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Model"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    pulls: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PullList"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    startPull: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewPull"];
            };
        };
        responses: {
            /** @description The answer */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pull"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no room, or too much runs already */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    pausePull: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pull"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    resumePull: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pull"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no room, or too much runs already */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    removePull: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    system: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["System"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    measureSystem: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["System"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no room, or too much runs already */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    stats: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stats"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    events: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    keys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyList"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    makeKey: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewKey"];
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MadeKey"];
                };
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The body did not arrive in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    revokeKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description An API key or a session is needed */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description The key, or the page that asks, may not do this */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
            /** @description Too many requests, or too many wrong keys */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
}
