// Made by `npm run types` of openapi.json (SHA-256 fd64d2f7a8c5c6e39a689dc837ebdd3f1787a1c825eb924dac3a1087574076b4): do not edit.

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
    "/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What answers of providers took and cost, day by day; to who may not administer the server, their own */
        get: operations["usage"];
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
        /** What happens, as it happens: conversation and answer (of one's own), pull (a Pull) and models (something about models changed) */
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
    "/conversations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Conversations: pinned ones first, then what was last touched */
        get: operations["conversations"];
        put?: never;
        /** Begin a conversation */
        post: operations["beginConversation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A conversation and all that was said in it */
        get: operations["conversation"];
        put?: never;
        post?: never;
        /** Delete a conversation; it is kept for 24 hours */
        delete: operations["deleteConversation"];
        options?: never;
        head?: never;
        /** Change a conversation */
        patch: operations["changeConversation"];
        trace?: never;
    };
    "/conversations/{id}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Bring one back */
        post: operations["restoreConversation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All conversations as a file */
        get: operations["exportConversations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations/{id}/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A conversation as a file */
        get: operations["exportConversation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take in a file of Parasol's, Open WebUI's or ChatGPT's */
        post: operations["importConversations"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations/{id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say something, without asking for an answer yet */
        post: operations["say"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations/{id}/answers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask for an answer, which is written to its end whoever listens */
        post: operations["answer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations/{id}/context": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** How much of its context a prompt takes, if the model is loaded */
        post: operations["countContext"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/answers/{message}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** An answer as it is written: snapshot, then prefill, delta, tool_call and stats, at last done */
        get: operations["answerEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/presets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Settings kept under names */
        get: operations["presets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/presets/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Keep settings */
        put: operations["keepPreset"];
        post?: never;
        /** Delete settings */
        delete: operations["deletePreset"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sound": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The models that speak and listen when none is named */
        get: operations["soundModels"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/voices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The voices of a model */
        get: operations["modelVoices"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/added-voices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The voices that were added, and what to know before one is */
        get: operations["addedVoices"];
        put?: never;
        /** Add the voice of a recording */
        post: operations["addVoice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/added-voices/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Remove an added voice */
        delete: operations["removeVoice"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/speech": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Read a text aloud */
        post: operations["speakText"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/transcriptions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Write down what is said, with the time of each word: started, progress, segment, at last done or error */
        post: operations["writeDown"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A voice that was added. */
        AddedVoice: {
            id: string;
            name: string;
            /**
             * Format: double
             * @description How long its recording lasts.
             */
            seconds: number;
            /**
             * Format: uint64
             * @description When it was added, in seconds since 1970.
             */
            created: number;
            /** @description Whether the caller may remove it. */
            own: boolean;
        };
        /** @description The voices that were added, and what somebody has to know who adds one. */
        AddedVoices: {
            /** @description Those that the caller may speak with, its own first. */
            voices: components["schemas"]["AddedVoice"][];
            /** @description Models that can imitate them; they may not be here yet. */
            models: string[];
            /** @description What is told before a voice is added … */
            notice: string;
            /** @description … and what is stated by adding it. */
            words: string;
            /**
             * Format: double
             * @description The shortest and the longest recording that is taken, in seconds.
             */
            shortest: number;
            /** Format: double */
            longest: number;
        };
        /** @description Time that an answer took. */
        AnswerTimings: {
            /** Format: double */
            first_token_ms: number;
            /** Format: double */
            prefill_ms: number;
            /** Format: double */
            decode_ms: number;
        };
        /** @description Tokens that an answer took, and what they cost. */
        AnswerUsage: {
            /** Format: uint */
            prompt_tokens: number;
            /**
             * Format: uint
             * @description Of the prompt, those that were known from before.
             */
            cached_tokens: number;
            /** Format: uint */
            generated_tokens: number;
            /** Format: uint */
            reasoning_tokens: number;
            /**
             * Format: double
             * @description What a provider charges for it, in US dollars, where its price is known.
             * @default null
             */
            cost_usd: number | null;
        };
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
        /** @description What may be spent in a day, and what is spent of it today. */
        BudgetState: {
            /**
             * Format: double
             * @description What all together may spend in a day, in US dollars; null is no limit.
             */
            day_usd: number | null;
            /**
             * Format: double
             * @description What is spent today.
             */
            today_usd: number;
            /** @description Those who have a budget of their own. */
            keys: components["schemas"]["KeyBudget"][];
        };
        /** @description How much of its context a prompt takes; null where the model is not loaded. */
        ContextCount: {
            /** Format: uint */
            prompt_tokens: number | null;
            /** Format: uint */
            context: number | null;
        };
        /** @description A conversation. */
        Conversation: {
            id: string;
            /** @description Empty until somebody gives one or something is said; told as words that say so. */
            title: string;
            folder: string | null;
            /** @description Whether it stands above the others. */
            pinned: boolean;
            created: string;
            /** @description When something was last said in it. */
            updated: string;
            /** @description Which model is asked; null is the server's default. */
            model: string | null;
            /** @description The system prompt. */
            system: string | null;
            parameters: components["schemas"]["Parameters"];
            /** @description The id of the message that the shown branch ends with. */
            head: string | null;
        };
        /** @description What changes of a conversation; what is left out stays. */
        ConversationChange: {
            /** @default null */
            title?: string | null;
            /** @default null */
            folder?: string | null;
            /** @default null */
            pinned?: boolean | null;
            /** @default null */
            model?: string | null;
            /** @default null */
            system?: string | null;
            /** @default null */
            parameters?: components["schemas"]["Parameters"] | null;
            /** @default null */
            head?: string | null;
        };
        /** @description A page of the list. */
        ConversationPage: {
            /** @description Pinned ones first, then what was last touched. */
            conversations: components["schemas"]["FoundConversation"][];
            folders: components["schemas"]["Folder"][];
            /** @description Answers that are being written, wherever they stand. */
            running: components["schemas"]["RunningAnswer"][];
            /** @description What to send as `before` for the next page. */
            next: string | null;
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
        /** @description A file of conversations. */
        Exported: {
            /** @description `parasol-conversations`. */
            format: string;
            /**
             * Format: uint64
             * @description The number of its shape.
             */
            version: number;
            /** @description When it was written. */
            exported: string;
            /** @description With their messages. */
            conversations: components["schemas"]["ExportedConversation"][];
        };
        /** @description A conversation with all its branches. */
        ExportedConversation: {
            conversation: components["schemas"]["Conversation"];
            messages: components["schemas"]["Message"][];
        };
        /** @description Whether a model fits the memory that models may take. */
        Fits: "yes" | "tight" | "no";
        /** @description A folder, and how many conversations are in it. */
        Folder: {
            name: string;
            /** Format: uint64 */
            count: number;
        };
        /** @description A conversation that was found. */
        FoundConversation: {
            id: string;
            /** @description Empty until somebody gives one or something is said; told as words that say so. */
            title: string;
            folder: string | null;
            /** @description Whether it stands above the others. */
            pinned: boolean;
            created: string;
            /** @description When something was last said in it. */
            updated: string;
            /** @description Which model is asked; null is the server's default. */
            model: string | null;
            /** @description The system prompt. */
            system: string | null;
            parameters: components["schemas"]["Parameters"];
            /** @description The id of the message that the shown branch ends with. */
            head: string | null;
            /** @description Words around a hit, with U+0001 and U+0002 about what was searched. */
            snippet: string | null;
        };
        /** @description What became of a file. */
        ImportReport: {
            /**
             * Format: uint64
             * @description How many conversations are there now that were not before.
             */
            imported: number;
            /** @description What was left out: whole conversations, or a part of one that was imported. */
            skipped: components["schemas"]["Skipped"][];
        };
        /** @description What one who asks may spend in a day. */
        KeyBudget: {
            /** @description An API key's id, an address, or `local`. */
            name: string;
            /** @description The API key's name. */
            title: string | null;
            /**
             * Format: double
             * @description In US dollars.
             */
            day_usd: number;
            /** Format: double */
            today_usd: number;
        };
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
        /** @description A message. Messages are a tree by `parent`. */
        Message: {
            id: string;
            parent: string | null;
            role: components["schemas"]["MessageRole"];
            content: string;
            reasoning: string | null;
            tool_calls: components["schemas"]["ToolCall"][];
            /** @description Which model wrote it. */
            model: string | null;
            created: string;
            state: components["schemas"]["MessageState"];
            /** @description What went wrong. */
            error: string | null;
            finish_reason: string | null;
            usage: components["schemas"]["AnswerUsage"] | null;
            timings: components["schemas"]["AnswerTimings"] | null;
        };
        /**
         * @description Who says something.
         * @enum {string}
         */
        MessageRole: "user" | "assistant";
        /** @description How far a message is. */
        MessageState: ("complete" | "failed") | "running" | "stopped" | "interrupted";
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
            /** @description What one may want it for: `chat`, `write`, `listen`, `code`, `search`. */
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
            /** @description What one may want it for: `chat`, `write`, `listen`, `code`, `search`. */
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
        /** @description What answer is wanted. What is left out is the conversation's. */
        NewAnswer: {
            /** @description The message to answer. */
            parent: string;
            /** @default null */
            model?: string | null;
            /** @default null */
            parameters?: components["schemas"]["Parameters"] | null;
            /** @default null */
            system?: string | null;
            /**
             * @description Whether the conversation ends with it from now on.
             * @default true
             */
            head?: boolean;
        };
        /** @description What a conversation begins with. */
        NewConversation: {
            /** @default null */
            title?: string | null;
            /** @default null */
            folder?: string | null;
            /** @default null */
            model?: string | null;
            /** @default null */
            system?: string | null;
            /** @default {} */
            parameters?: components["schemas"]["Parameters"];
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
        /** @description Something that is said. */
        NewMessage: {
            /** @description What it follows; null begins the conversation, or another beginning of it. */
            parent?: string | null;
            content: string;
        };
        /** @description What a preset holds. */
        NewPreset: {
            /** @default null */
            model?: string | null;
            /** @default null */
            system?: string | null;
            /** @default {} */
            parameters?: components["schemas"]["Parameters"];
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
        /** @description A text to be read aloud. */
        NewSpeech: {
            /** @description What is said. */
            text: string;
            /**
             * @description The model; the default one without.
             * @default null
             */
            model?: string | null;
            /**
             * @description One of its voices.
             * @default null
             */
            voice?: string | null;
            /**
             * Format: float
             * @description 1 is the voice's own pace.
             * @default 1
             */
            speed?: number;
            /**
             * Format: uint64
             * @description The same seed gives the same sound.
             * @default null
             */
            seed?: number | null;
            /**
             * @description `wav`, `flac`, `opus` or `pcm` for a file; without it events tell the sound as it is made.
             * @default null
             */
            format?: string | null;
        };
        /** @description How answers are asked for. What is left out is what is recommended for the model. */
        Parameters: {
            /** Format: float */
            temperature?: number | null;
            /** Format: uint */
            top_k?: number | null;
            /** Format: float */
            top_p?: number | null;
            /** Format: float */
            min_p?: number | null;
            /** Format: float */
            repetition_penalty?: number | null;
            /** Format: uint */
            max_tokens?: number | null;
            /** Format: uint64 */
            seed?: number | null;
            reasoning?: components["schemas"]["ReasoningChoice"] | null;
            /** @description Texts that end the answer. */
            stop?: string[] | null;
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
        /** @description Settings that a conversation can begin with. */
        Preset: {
            name: string;
            model: string | null;
            system: string | null;
            parameters: components["schemas"]["Parameters"];
        };
        /** @description All presets. */
        PresetList: {
            /** @description By name. */
            presets: components["schemas"]["Preset"][];
        };
        /** @description A prompt to be counted. */
        Prompt: {
            /** @description What it follows. */
            parent?: string | null;
            /** @default null */
            content?: string | null;
            /** @default null */
            model?: string | null;
            /** @default null */
            system?: string | null;
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
        /**
         * @description Whether a model that can think does.
         * @enum {string}
         */
        ReasoningChoice: "on" | "off";
        /** @description An answer that is being written. */
        RunningAnswer: {
            conversation: string;
            message: string;
        };
        ServerSentEvent: {
            /** @description What kind of event this is */
            event?: string;
            /** @description JSON, but for the `[DONE]` that ends a stream of OpenAI's */
            data: string;
        };
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
        /** @description Something that was left out. */
        Skipped: {
            /** @description The conversation's title, or what stands for it; of a file without conversations in an archive, its name. */
            title: string;
            /** @description What is missing, and why. */
            why: string;
        };
        /** @description The models that speak and listen when none is named. They may not be here yet. */
        SoundModels: {
            /** @description The one that speaks; null when the catalogue has none. */
            speak: string | null;
            /** @description The one that listens. */
            listen: string | null;
        };
        /** @description A sum over answers. */
        Spent: {
            /** Format: uint64 */
            answers: number;
            /** Format: uint64 */
            prompt_tokens: number;
            /**
             * Format: uint64
             * @description Of these, what a provider had cached.
             */
            cached_tokens: number;
            /** Format: uint64 */
            generated_tokens: number;
            /**
             * Format: double
             * @description In US dollars, as far as prices are known.
             */
            cost_usd: number;
            /**
             * Format: uint64
             * @description Answers whose price is not known.
             */
            unpriced_answers: number;
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
        /** @description A tool that a model wants to be called. */
        ToolCall: {
            id: string;
            name: string;
            /** @description JSON, as the model wrote it. */
            arguments: string;
        };
        /** @description What answers of providers took and cost. */
        UsageReport: {
            /** @description The first day, in UTC. */
            from: string;
            /** @description The last one: today. */
            to: string;
            /** @description What the rows are told apart by: `day`, `model`, `provider` or `key`. */
            by: string;
            /** @description For each day and name with answers; the oldest day first. */
            rows: components["schemas"]["UsageRow"][];
            /** @description Over all of them. */
            total: components["schemas"]["Spent"];
            budget: components["schemas"]["BudgetState"];
        };
        /** @description Answers of one day that belong together. */
        UsageRow: {
            /** @description The day, in UTC. */
            day: string;
            /** @description What they have in common: a model, a provider, who asked (an API key's id, an address, or `local`), or the day. */
            name: string;
            /** @description The same for people, where that is something else: an API key's name. */
            title: string | null;
            /** Format: uint64 */
            answers: number;
            /** Format: uint64 */
            prompt_tokens: number;
            /**
             * Format: uint64
             * @description Of these, what a provider had cached.
             */
            cached_tokens: number;
            /** Format: uint64 */
            generated_tokens: number;
            /**
             * Format: double
             * @description In US dollars, as far as prices are known.
             */
            cost_usd: number;
            /**
             * Format: uint64
             * @description Answers whose price is not known.
             */
            unpriced_answers: number;
        };
        /** @description The voices of a model. */
        VoiceList: {
            /** @description The model. */
            model: string;
            /** @description Its voices; the first is its default. Where it imitates, those that were added follow. */
            voices: components["schemas"]["VoiceName"][];
        };
        /** @description A voice. */
        VoiceName: {
            name: string;
            /** @description The language that it speaks, as a tag such as `en-US`. */
            language: string;
            /** @description What it sounds like; may be empty. */
            description: string;
        };
        /** @description A conversation and all that was said in it. */
        WholeConversation: {
            conversation: components["schemas"]["Conversation"];
            messages: components["schemas"]["Message"][];
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
    usage: {
        parameters: {
            query?: {
                /** @description days, of which today is the last, 1 to 366; 30 unless said */
                days?: number;
                /** @description what is told apart: day, model (unless said), provider or key */
                by?: string;
            };
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
                    "application/json": components["schemas"]["UsageReport"];
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
            /** @description It failed */
            500: {
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
                    "text/event-stream": components["schemas"]["ServerSentEvent"];
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
    conversations: {
        parameters: {
            query?: {
                /** @description words that all occur in a title or a message */
                query?: string;
                /** @description only this folder */
                folder?: string;
                /** @description conversations at most, 1 to 200; 50 unless said */
                limit?: number;
                /** @description what the page before gave as next */
                before?: string;
            };
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
                    "application/json": components["schemas"]["ConversationPage"];
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
    beginConversation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewConversation"];
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
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
    conversation: {
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
                    "application/json": components["schemas"]["WholeConversation"];
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
    deleteConversation: {
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
    changeConversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ConversationChange"];
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
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
    restoreConversation: {
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
                    "application/json": components["schemas"]["Conversation"];
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
    exportConversations: {
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
                    "application/json": components["schemas"]["Exported"];
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
    exportConversation: {
        parameters: {
            query?: {
                /** @description json, which is what there is unless said, or markdown */
                format?: string;
            };
            header?: never;
            path: {
                /** @description percent-encoded */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Exported"];
                    "text/markdown": string;
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
    importConversations: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": unknown;
                "application/zip": string;
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImportReport"];
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
            /** @description It failed */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParasolError"];
                };
            };
        };
    };
    say: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewMessage"];
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Message"];
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
    answer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewAnswer"];
            };
        };
        responses: {
            /** @description The answer */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Message"];
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
    countContext: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Prompt"];
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContextCount"];
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
    answerEvents: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description percent-encoded */
                message: string;
            };
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
                    "text/event-stream": components["schemas"]["ServerSentEvent"];
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
    presets: {
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
                    "application/json": components["schemas"]["PresetList"];
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
    keepPreset: {
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
                "application/json": components["schemas"]["NewPreset"];
            };
        };
        responses: {
            /** @description The answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Preset"];
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
    deletePreset: {
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
        };
    };
    soundModels: {
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
                    "application/json": components["schemas"]["SoundModels"];
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
    modelVoices: {
        parameters: {
            query?: {
                /** @description the model; the default one without */
                model?: string;
            };
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
                    "application/json": components["schemas"]["VoiceList"];
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
    addedVoices: {
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
                    "application/json": components["schemas"]["AddedVoices"];
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
    addVoice: {
        parameters: {
            query?: {
                /** @description what the voice is to be called */
                name?: string;
                /** @description true: the person who speaks has given permission */
                consent?: boolean;
                /** @description what is said in the recording */
                transcript?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/octet-stream": string;
            };
        };
        responses: {
            /** @description The answer */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AddedVoice"];
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
    removeVoice: {
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
    speakText: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewSpeech"];
            };
        };
        responses: {
            /** @description The sound as it is made: started, audio, at last done or error; or a file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "audio/wav": string;
                    "audio/flac": string;
                    "audio/ogg; codecs=opus": string;
                    "audio/pcm": string;
                    "text/event-stream": components["schemas"]["ServerSentEvent"];
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
    writeDown: {
        parameters: {
            query?: {
                /** @description the model; the default one without */
                model?: string;
                /** @description what is spoken, such as en; found out without */
                language?: string;
                /** @description transcribe, or translate into English */
                task?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/octet-stream": string;
            };
        };
        responses: {
            /** @description The events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["ServerSentEvent"];
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
}
